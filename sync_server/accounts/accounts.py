"""People signing in at the desk, phones being enrolled, and the record of who looked at what.

Tokens and keys are random, travel once and are kept as SHA-256 only: whoever reads the database or a backup cannot
sign in with it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from shared_schema.lifecycle import Role
from shared_schema.sync_protocol import EnrolReply, EnrolRequest
from sync_server.accounts.attempts import Attempts
from sync_server.accounts.passwords import LONGEST, Passwords, TooBusy
from sync_server.clock import Clock, milliseconds, moment
from sync_server.problems import Problem
from sync_server.settings import Settings
from sync_server.storage import Reading, Storage, StorageUnavailable, Writing
from sync_server.storage.journal import OFFICE
from sync_server.storage.keys import LearntBy
from sync_server.storage.people import (
    DEVICE_WITH_TOKEN,
    DeviceIdentity,
    DeviceRow,
    Heard,
    Person,
    StoredOffer,
    StoredSession,
    View,
    device_with_token,
)

SESSION_IDLE = timedelta(hours=10)
"""A working day with its lunch break."""
SESSION_LONGEST = timedelta(days=7)
OFFER_LASTS = timedelta(minutes=15)
SHORTEST_PASSWORD = 8

_USED_AFTER = timedelta(minutes=5)
"""A session's last use is written this seldom; it is compared with hours."""
_HEARD_AFTER_MS = 60_000
_IDENTITY_SECONDS = 1.0
"""How long a token once checked is believed: so late another process's revocation may be noticed."""
_IDENTITIES = 10_000
_LARGEST_HOLDING = 10**9


class Session(Struct, frozen=True):
    """`token` belongs into the cookie and nowhere else; `csrf` into every form of the session."""

    token: str
    csrf: str
    person: Person
    expires_at: datetime


class SignInRefused(Struct, frozen=True):
    """`wrong` does not say whether the name or the password was."""

    reason: Literal["wrong", "too-many", "busy"]
    retry_after_seconds: int = 0


class EnrolmentOffer(Struct, frozen=True):
    mark: str
    """By which `offer_made` knows it again; opens nothing."""
    key: str
    url: str
    """What the QR code holds."""
    expires_at: datetime


class EnrolmentRefused(Struct, frozen=True):
    """`code` is one of the problem registry."""

    code: Literal["enrolment-unknown", "enrolment-expired", "enrolment-used", "device-of-another-person"]


class PasswordUnfit(ValueError):
    """Too short or absurdly long."""


class Accounts:
    def __init__(
        self, storage: Storage, settings: Settings, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._passwords = Passwords()
        self._attempts = Attempts(monotonic)
        self._identities: dict[str, tuple[DeviceIdentity, float]] = {}
        self._heard: dict[str, tuple[int, int | None, int | None]] = {}
        self._to_note: dict[str, Heard] = {}
        self._is_noting = self._has_news = False
        self._on_devices: list[Callable[[], None]] = []

    def close(self) -> None:
        self._passwords.close()

    def on_devices(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, on the event loop, when a phone was enrolled, revoked or said what it holds."""
        self._on_devices.append(listener)

    # -- people ------------------------------------------------------------------------------------------------------

    async def people(self, role: Role | None = None) -> list[Person]:
        """Those who work here now."""
        return await self._storage.read(lambda reading: reading.people.everybody(role, active_only=True))

    async def person(self, person_id: str) -> Person | None:
        return await self._storage.read(lambda reading: reading.people.person(person_id))

    async def portrait(self, person_id: str) -> bytes | None:
        """A JPEG."""
        return await self._storage.read(lambda reading: reading.people.photo(person_id))

    async def add_person(self, person: Person, *, password: str | None = None, portrait: bytes | None = None) -> None:
        """Add somebody, or bring what is known of them up to date. Raises LoginTaken or PasswordUnfit."""
        password_hash = None if password is None else await self._hashed(password)
        if person.login is not None:
            person = replace(person, login=_login(person.login) or None)
        at_ms = self._now_ms()

        def save(writing: Writing) -> None:
            writing.people.save(person, at_ms)
            if password_hash is not None:
                writing.people.set_password_hash(person.id, password_hash)
            if portrait is not None:
                writing.people.set_photo(person.id, portrait)
            if not person.active:
                writing.people.end_sessions_of(person.id)
            writing.feed.reference_changed()

        await self._storage.write(save)
        self._identities.clear()

    async def set_password(self, person_id: str, password: str) -> bool:
        """False where there is no such person. Whoever is signed in as this person is signed out."""
        password_hash = await self._hashed(password)

        def save(writing: Writing) -> bool:
            if writing.people.person(person_id) is None:
                return False
            writing.people.set_password_hash(person_id, password_hash)
            writing.people.end_sessions_of(person_id)
            return True

        return await self._storage.write(save)

    async def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST:
            raise PasswordUnfit(f"a password has {SHORTEST_PASSWORD} to {LONGEST} characters")
        return await self._passwords.hash(password)

    # -- sessions at the desk ----------------------------------------------------------------------------------------

    async def sign_in(
        self, login: str, password: str, remote: str, *, replaces: str | None = None
    ) -> Session | SignInRefused:
        """A new session under a new token; `replaces` is the browser's earlier token, which ends.

        `remote` is the address the connection came from (accounts.requests.remote_address), never one that the client
        may choose.
        """
        login = _login(login)
        if (wait := self._attempts.begin(login, remote)) is not None:
            return SignInRefused("too-many", max(1, round(wait)))
        known = await self._storage.read(lambda reading: reading.people.person_with_login(login))
        person, password_hash = known or (None, None)
        try:
            right = await self._passwords.matches(password, password_hash)
        except TooBusy:
            return SignInRefused("busy", 5)
        if not right or person is None or password_hash is None:
            return SignInRefused("wrong")
        self._attempts.succeeded(login, remote)
        renewed = await self._passwords.hash(password) if self._passwords.is_outdated(password_hash) else None
        return await self._begin_session(person, replaces, renewed)

    async def _begin_session(self, person: Person, replaces: str | None, renewed_hash: str | None) -> Session:
        now = self._clock.now()
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(24), person, now + SESSION_LONGEST)

        def begin(writing: Writing) -> None:
            if replaces:
                writing.people.end_session(_sha256(replaces))
            if renewed_hash is not None:
                writing.people.set_password_hash(person.id, renewed_hash)
            writing.people.begin_session(
                _sha256(session.token), person.id, session.csrf, milliseconds(now), milliseconds(session.expires_at)
            )

        await self._storage.write(begin)
        return session

    async def session(self, cookie_token: str) -> Session | None:
        """The session, unless it ended, was not used for SESSION_IDLE or is older than SESSION_LONGEST."""
        token_sha256 = _sha256(cookie_token)
        stored = await self._storage.glance(lambda reading: reading.people.session(token_sha256))
        if stored is None:
            return None
        now_ms = self._now_ms()
        if not _lasts(stored, now_ms):
            await self.sign_out(cookie_token)
            return None
        if timedelta(milliseconds=now_ms - stored.used_at_ms) >= _USED_AFTER:
            await self._storage.write(lambda writing: writing.people.session_used(token_sha256, now_ms))
        return Session(cookie_token, stored.csrf, stored.person, moment(stored.expires_at_ms))

    async def is_signed_in(self, cookie_token: str) -> bool:
        """Whether the session still lasts, which being asked does not make it do."""
        token_sha256 = _sha256(cookie_token)
        stored = await self._storage.glance(lambda reading: reading.people.session(token_sha256))
        return stored is not None and _lasts(stored, self._now_ms())

    async def sign_out(self, cookie_token: str) -> None:
        await self._storage.write(lambda writing: writing.people.end_session(_sha256(cookie_token)))

    @staticmethod
    def csrf_is_right(session: Session, sent: str) -> bool:
        return secrets.compare_digest(session.csrf.encode(), sent.encode("utf-8", "surrogatepass"))

    # -- phones ------------------------------------------------------------------------------------------------------

    async def device_of(self, bearer_token: str) -> DeviceIdentity | None:
        """Whose phone holds this token. Raises Problem `device-revoked`."""
        token_sha256 = _sha256(bearer_token)
        now = self._monotonic()
        believed = self._identities.get(token_sha256)
        if believed is not None and now < believed[1]:
            return believed[0]
        found = await self._storage.rows(DEVICE_WITH_TOKEN, {"token_sha256": token_sha256})
        self._identities.pop(token_sha256, None)
        if not found:
            return None
        identity, is_revoked = device_with_token(found[0])
        if is_revoked:
            raise Problem("device-revoked")
        if len(self._identities) >= _IDENTITIES:
            self._identities.clear()
        self._identities[token_sha256] = (identity, now + _IDENTITY_SECONDS)
        return identity

    async def heard_from(self, identity: DeviceIdentity, holding: str = "") -> None:
        """The phone was in touch; `holding` is its header `Doorstep-Holding: operations=3; photos=2`.

        Written when what it holds has changed, and otherwise once a minute.
        """
        operations, photos = _holding(holding)
        at_ms = self._now_ms()
        written = self._heard.get(identity.device)
        is_news = written is None or written[1:] != (operations, photos)
        if written is not None and not is_news and abs(at_ms - written[0]) < _HEARD_AFTER_MS:
            return
        self._heard[identity.device] = (at_ms, operations, photos)
        if (earlier := self._to_note.get(identity.device)) is not None:  # of what it does not say now, that counts
            operations = earlier.operations if operations is None else operations
            photos = earlier.photos if photos is None else photos
        self._to_note[identity.device] = Heard(identity.device, at_ms, operations, photos)
        self._has_news = self._has_news or is_news
        if self._is_noting:  # then it is taken along
            return
        self._is_noting = True
        try:
            while self._to_note:
                heard, self._to_note = self._to_note, {}
                has_news, self._has_news = self._has_news, False
                if await self._is_noted(heard) and has_news:
                    self._tell_of_devices()
        finally:
            self._is_noting = False

    async def _is_noted(self, heard: Mapping[str, Heard]) -> bool:
        """What all phones said meanwhile, at once: a write for each would cost more than answering them did."""
        try:
            await self._storage.write(lambda writing: writing.people.heard_from_all(heard.values()))
        except StorageUnavailable:  # the phones say it again; what they ask now may have been answered already
            for device in heard:
                self._heard.pop(device, None)
            return False
        return True

    async def offer_enrolment(self, person_id: str, by: Person | None) -> EnrolmentOffer | None:
        """A key that enrols one phone for the person within OFFER_LASTS; None where there is no such person at work.

        `by` is None where the command line offers it.
        """
        now = self._clock.now()
        key = secrets.token_urlsafe(24)
        offer = EnrolmentOffer(_sha256(key), key, f"{self._settings.address}/app/#enrol={key}", now + OFFER_LASTS)

        def keep(writing: Writing) -> bool:
            person = writing.people.person(person_id)
            if person is None or not person.active:
                return False
            writing.people.offer_enrolment(
                offer.mark,
                person_id,
                offered_by=by.id if by else "command-line",
                at_ms=milliseconds(now),
                expires_at_ms=milliseconds(offer.expires_at),
            )
            return True

        return offer if await self._storage.write(keep) else None

    async def offer_made(self, mark: str) -> StoredOffer | None:
        """What has become of an offer; None where its person is no longer at work."""
        return await self._storage.read(lambda reading: reading.people.offer(mark))

    async def enrol(self, request: EnrolRequest) -> EnrolReply | EnrolmentRefused:
        """Turn a key into a device token.

        The same phone may ask again with the same key while the offer lasts, because the first reply may have been
        lost on its way: it gets a new token, and the lost one is worth nothing.
        """
        token = secrets.token_urlsafe(32)
        key_sha256 = _sha256(request.key)
        now_ms = self._now_ms()

        def take(writing: Writing) -> EnrolReply | EnrolmentRefused:
            offer = writing.people.offer(key_sha256, to_use=True)
            if offer is None:
                return EnrolmentRefused("enrolment-unknown")
            if offer.used_at_ms is not None and offer.device != request.device:
                return EnrolmentRefused("enrolment-used")
            if now_ms >= offer.expires_at_ms:
                return EnrolmentRefused("enrolment-expired")
            if request.device == OFFICE:
                return EnrolmentRefused("device-of-another-person")
            # Whose it is, and its key, may be decided in another process at this moment: one after the other.
            writing.journal.head(request.device)
            if writing.people.device_owner(request.device) not in {None, offer.person.id}:
                return EnrolmentRefused("device-of-another-person")
            writing.people.use_offer(key_sha256, request.device, now_ms)
            writing.people.enrol_device(
                request.device,
                offer.person.id,
                name=request.name,
                platform=request.platform,
                token_sha256=_sha256(token),
                at_ms=now_ms,
            )
            if request.public_key is not UNSET:
                writing.keys.learn(request.device, request.public_key, LearntBy.ENROLMENT, now_ms)
            return EnrolReply(request.device, token, offer.person.id, offer.person.name, now_ms)

        reply = await self._storage.write(take)
        if isinstance(reply, EnrolReply):
            self._devices_changed()
        return reply

    async def devices(self, person_id: str | None = None) -> list[DeviceRow]:
        def look(reading: Reading) -> list[DeviceRow]:
            rows = reading.people.devices(person_id)
            heads = reading.journal.heads(row.id for row in rows)
            signatures = reading.keys.signatures(heads)
            keys = reading.keys.of_devices()
            return [
                replace(
                    row,
                    received_through=heads[row.id].received_through,
                    journal_broken_at=_moment(heads[row.id].broken_at),
                    signature=signatures[row.id],
                    key=keys.get(row.id),
                )
                if row.id in heads
                else replace(row, key=keys.get(row.id))
                for row in rows
            ]

        return await self._storage.read(look)

    async def revoke(self, device: str, by: Person, reason: str) -> bool:
        """Turn the phone away from now on; False where no such phone is in use. What it sent stays."""
        at_ms = self._now_ms()
        revoked = await self._storage.write(lambda writing: writing.people.revoke_device(device, at_ms, by.id, reason))
        self._devices_changed()
        return revoked

    def _devices_changed(self) -> None:
        """A token may have become worth something else."""
        self._identities.clear()
        self._tell_of_devices()

    def _tell_of_devices(self) -> None:
        for listener in self._on_devices:
            listener()

    # -- who looked --------------------------------------------------------------------------------------------------

    async def note_views(self, person: Person, tickets: Iterable[str], page: str) -> None:
        """These tickets' customer data is about to be shown to the person on `page` (product rule 4)."""
        seen, at_ms = list(tickets), self._now_ms()
        if seen:
            await self._storage.write(lambda writing: writing.people.note_views(person.id, seen, page, at_ms))

    async def views_of(self, ticket: str) -> list[View]:
        """Who saw the ticket's customer data, newest first."""
        return await self._storage.read(lambda reading: reading.people.views_of(ticket))

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _lasts(stored: StoredSession, now_ms: int) -> bool:
    unused = timedelta(milliseconds=now_ms - stored.used_at_ms)
    return now_ms < stored.expires_at_ms and unused < SESSION_IDLE


def _login(login: str) -> str:
    """As names are compared and counted; what no name can be, and no database can be asked for, is nobody's."""
    login = login.strip().lower()[:200]
    return login if login.isprintable() else ""


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else moment(at_ms)


def _holding(header: str) -> tuple[int | None, int | None]:
    """`operations=3; photos=2`; what cannot be read was not said."""
    counts: dict[str, int] = {}
    for part in header[:200].split(";"):
        name, _, value = part.strip().partition("=")
        if value.isascii() and value.isdigit() and len(value) <= 10:
            counts[name] = min(int(value), _LARGEST_HOLDING)
    return counts.get("operations"), counts.get("photos")
