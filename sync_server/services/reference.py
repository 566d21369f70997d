"""What a phone carries to look things up: the technician's work credential, the price list, names, the office's number
and its key for rescue files.

Composed from the people and the price list whenever either has changed, and named by the hash of its content, so that a
phone is sent it only when it has something else.
"""

import hashlib
from datetime import date

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shared_schema.credentials import Credential, Price, Reference
from shared_schema.wire import encode
from sync_server.settings import Settings
from sync_server.storage import Reading
from sync_server.storage.keys import RESCUE
from sync_server.storage.people import Person

_NEVER_EXPIRES = date(9999, 12, 31)


class _ForAll(Struct, frozen=True):
    """What every technician's Reference holds alike."""

    prices: tuple[Price, ...]
    people: dict[str, str]
    rescue_key: bytes | UnsetType


class References:
    """The newest Reference of each technician, remembered until its sources change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._revision = -1
        self._for_all: _ForAll | None = None
        self._composed: dict[str, Reference] = {}

    def known(self, person: Person, revision: int) -> Reference | None:
        """The newest, where it has been composed since its sources became `revision`."""
        return self._composed.get(person.id) if revision == self._revision else None

    def of(self, person: Person, reading: Reading, revision: int) -> Reference:
        """The newest, composed from what `reading` sees, where `revision` is what its sources are at."""
        if revision != self._revision:
            self._composed = {}
            self._for_all = None
            self._revision = revision
        if person.id not in self._composed:
            newest = reading.people.person(person.id) or person
            self._composed[person.id] = self._compose(newest, reading)
        return self._composed[person.id]

    def _compose(self, person: Person, reading: Reading) -> Reference:
        if self._for_all is None:
            people = {each.id: each.name for each in reading.people.everybody()}
            rescue = reading.keys.secret(RESCUE)
            self._for_all = _ForAll(reading.prices.all(), people, rescue.public if rescue else UNSET)
        reference = Reference(
            version="0" * 64,
            credential=Credential(
                person=person.id,
                name=person.name,
                number=person.number or person.id,
                company=self._settings.company,
                phone=person.phone,
                skills=person.skills,
                certificates=person.certificates,
                valid_until=person.credential_until or _NEVER_EXPIRES,
                photo=reading.people.photo(person.id) or b"",
            ),
            prices=self._for_all.prices,
            office_phone=self._settings.office_phone,
            people=self._for_all.people,
            rescue_key=self._for_all.rescue_key,
        )
        return msgspec.structs.replace(reference, version=hashlib.sha256(encode(reference)).hexdigest())
