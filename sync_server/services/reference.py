"""What a phone carries to look things up: the technician's work credential, the price list, names, the office's number
and its key for rescue files.

Composed from the people and the price list whenever either has changed, and named by the hash of its content, so that a
phone is sent it only when it has something else. After a restore it has another name: whoever names it has been in
touch since.
"""

import hashlib
from datetime import date

from msgspec import UNSET, Struct, UnsetType

from shared_schema.credentials import Credential, Price, Reference
from shared_schema.wire import encode
from sync_server.settings import Settings
from sync_server.storage import Looking, Reading
from sync_server.storage.keys import RESCUE
from sync_server.storage.people import PHOTO, Person

_NEVER_EXPIRES = date(9999, 12, 31)


class _ForAll(Struct, frozen=True):
    """What every technician's Reference holds alike, of one revision of its sources."""

    revision: int
    everybody: dict[str, Person]
    names: dict[str, str]
    prices: tuple[Price, ...]
    rescue_key: bytes | UnsetType
    hash: bytes
    composed: dict[str, Reference]
    """Technician → what has been composed with it."""


class References:
    """The newest Reference of each technician, remembered until its sources change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._for_all: _ForAll | None = None

    def known(self, person: Person, revision: int) -> Reference | None:
        """The newest, where its sources are known as of `revision` and nothing has to be looked up to compose it."""
        for_all = self._of_revision(revision)
        if for_all is None:
            return None
        if person.id not in for_all.composed and not (newest := for_all.everybody.get(person.id, person)).has_photo:
            for_all.composed[person.id] = self._compose(newest, for_all, b"")
        return for_all.composed.get(person.id)

    def are_of(self, revision: int) -> bool:
        return self._of_revision(revision) is not None

    def look_up(self, reading: Reading) -> None:
        """What all hold alike, as it is now: before `of` can answer."""
        revision = reading.feed.reference_revision()
        if self.are_of(revision):
            return
        everybody = {each.id: each for each in reading.people.everybody()}
        names = {each.id: each.name for each in everybody.values()}
        rescue = reading.keys.secret(RESCUE)
        prices, rescue_key = reading.prices.all(), rescue.public if rescue else UNSET
        of_all = [prices, names, self._settings.office_phone, None if rescue is None else rescue.public]
        resumed_after = reading.feed.resumed_after()
        alike = encode([*of_all, resumed_after] if resumed_after else of_all)
        hash_ = hashlib.sha256(alike).digest()
        self._for_all = _ForAll(revision, everybody, names, prices, rescue_key, hash_, {})

    def of(self, person: Person, looking: Looking, revision: int) -> Reference | None:
        """The newest; None where its sources are not known as of `revision`: see `look_up`."""
        for_all = self._of_revision(revision)
        if for_all is not None and self.known(person, revision) is None:
            (photo,) = looking.row(PHOTO, {"person": person.id})
            newest = for_all.everybody.get(person.id, person)
            for_all.composed[person.id] = self._compose(newest, for_all, bytes(photo or b""))
        return None if for_all is None else for_all.composed[person.id]

    def _of_revision(self, revision: int) -> _ForAll | None:
        return self._for_all if self._for_all is not None and self._for_all.revision == revision else None

    def _compose(self, person: Person, for_all: _ForAll, photo: bytes) -> Reference:
        credential = Credential(
            person=person.id,
            name=person.name,
            number=person.number or person.id,
            company=self._settings.company,
            phone=person.phone,
            skills=person.skills,
            certificates=person.certificates,
            valid_until=person.credential_until or _NEVER_EXPIRES,
            photo=photo,
        )
        return Reference(
            version=hashlib.sha256(for_all.hash + encode(credential)).hexdigest(),
            credential=credential,
            prices=for_all.prices,
            office_phone=self._settings.office_phone,
            people=for_all.names,
            rescue_key=for_all.rescue_key,
        )
