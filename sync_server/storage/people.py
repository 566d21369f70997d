"""People, their sign-ins and their phones: who they are, what proves it, and who looked at customers' data.

Secrets are not here: of a password there is its argon2 hash, of a session, a device token and an enrolment key the
SHA-256. Rows are never deleted but for sessions and offers that ran out; a person leaves by `active`, a phone by
`revoked_at_ms`. What a phone's journal holds is storage.journal's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from shared_schema.credentials import Certificate
from shared_schema.lifecycle import OFFICE_ROLES, Role
from sync_server.clock import moment
from sync_server.storage.dialects import ForMany
from sync_server.storage.keys import DeviceKey, JournalSignature
from sync_server.storage.metadata import Number, clean, metadata

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("login", sa.Text, unique=True),  # NULL: cannot sign in at the desk
    sa.Column("password_hash", sa.Text),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False),  # JSON
    sa.Column("certificates", sa.Text, nullable=False),  # JSON
    sa.Column("credential_until", sa.Text),  # ISO date
    sa.Column("photo", sa.LargeBinary),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at_ms", Number, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_sha256", sa.Text, primary_key=True),
    sa.Column("person", sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created_at_ms", Number, nullable=False),
    sa.Column("used_at_ms", Number, nullable=False),
    sa.Column("expires_at_ms", Number, nullable=False),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person", sa.ForeignKey("people.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("token_sha256", sa.Text, nullable=False, unique=True),
    sa.Column("enrolled_at_ms", Number, nullable=False),
    sa.Column("last_heard_at_ms", Number),
    sa.Column("holds_operations", Number),
    sa.Column("holds_photos", Number),
    sa.Column("holds_since_ms", Number),
    sa.Column("revoked_at_ms", Number),
    sa.Column("revoked_by", sa.Text),
)

revocations = sa.Table(
    "revocations",
    metadata,
    sa.Column("device", sa.ForeignKey("devices.id"), primary_key=True),
    sa.Column("revoked_at_ms", Number, primary_key=True, autoincrement=False),
    sa.Column("revoked_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
"""Only added to: a device taken back keeps the story of why it was once turned away."""

enrolment_offers = sa.Table(
    "enrolment_offers",
    metadata,
    sa.Column("key_sha256", sa.Text, primary_key=True),
    sa.Column("person", sa.ForeignKey("people.id"), nullable=False),
    sa.Column("offered_by", sa.Text, nullable=False),
    sa.Column("offered_at_ms", Number, nullable=False),
    sa.Column("expires_at_ms", Number, nullable=False),
    sa.Column("used_at_ms", Number),
    sa.Column("device", sa.Text),
)

views = sa.Table(
    "customer_data_views",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text, nullable=False, index=True),
    sa.Column("page", sa.Text, nullable=False),
    sa.Column("viewed_at_ms", Number, nullable=False),
)
"""Product rule 4: every view of a customer's data in the office."""


class Person(Struct, frozen=True, kw_only=True):
    """Somebody of the company. The card photo is apart (`People.photo`): few readers want its bytes."""

    id: str
    role: Role
    name: str
    login: str | None = None
    """None: cannot sign in at the desk (technicians use their phones)."""
    number: str = ""
    """The work number on the credential."""
    phone: str = ""
    skills: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    credential_until: date | None = None
    language: str = "zh-CN"
    active: bool = True
    has_photo: bool = False


class DeviceIdentity(Struct, frozen=True):
    """A phone that proved itself, and whose it is."""

    device: str
    person: Person


class DeviceRow(Struct, frozen=True, kw_only=True):
    """A phone as the desk sees it. The last four are known to `Journal` and `Keys` and filled in by accounts."""

    id: str
    person: str
    person_name: str
    name: str
    platform: str
    enrolled_at: datetime
    last_heard_at: datetime | None
    holds_operations: int | None
    """What it last said it still holds; None where it has not said."""
    holds_photos: int | None
    holds_since: datetime | None
    """When it first said so, of all the times since it last held nothing."""
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_because: str | None
    received_through: int = 0
    journal_broken_at: datetime | None = None
    signature: JournalSignature = JournalSignature()
    key: DeviceKey | None = None


class Heard(Struct, frozen=True):
    """A device was in touch; None where it did not say what it still holds."""

    device: str
    at_ms: int
    operations: int | None
    photos: int | None


class StoredSession(Struct, frozen=True):
    person: Person
    csrf: str
    used_at_ms: int
    expires_at_ms: int


class StoredOffer(Struct, frozen=True):
    person: Person
    expires_at_ms: int
    used_at_ms: int | None
    device: str | None


class View(Struct, frozen=True):
    person: str
    ticket: str
    page: str
    viewed_at: datetime


class LoginTaken(Exception):
    """Another person signs in under this name."""


_OF_PERSON = (
    *(column for column in people.c if column is not people.c.photo),
    people.c.photo.is_not(None).label("photo"),  # only whether there is one
)
_is_of_the_office = people.c.active & people.c.role.in_(sorted(role.value for role in OFFICE_ROLES))
"""Who may be at the desk: a technician has a phone, whatever name to sign in with they were given or had before."""
PHOTO = sa.select(people.c.photo).where(people.c.id == sa.bindparam("person"))
"""The portrait on the work credential, a JPEG."""
DEVICE_WITH_TOKEN = (
    sa.select(*_OF_PERSON, devices.c.id.label("device"), devices.c.revoked_at_ms)
    .join_from(devices, people)
    .where(devices.c.token_sha256 == sa.bindparam("token_sha256"), people.c.active)
)
_IN_DEVICE_WITH_TOKEN = DEVICE_WITH_TOKEN.selected_columns.keys()

_at_ms = sa.bindparam("at_ms", type_=Number)
_HEARD = ForMany(
    sa.update(devices)
    .where(devices.c.id == sa.bindparam("heard"))
    .values(
        last_heard_at_ms=_at_ms,
        holds_operations=sa.func.coalesce(sa.bindparam("operations", type_=Number), devices.c.holds_operations),
        holds_photos=sa.func.coalesce(sa.bindparam("photos", type_=Number), devices.c.holds_photos),
        holds_since_ms=sa.case(
            (sa.bindparam("holds", type_=sa.Boolean), sa.func.coalesce(devices.c.holds_since_ms, _at_ms)),
            (sa.bindparam("holds_nothing", type_=sa.Boolean), sa.null()),
            else_=devices.c.holds_since_ms,
        ),
    )
)
OF_EACH_PHONE = (_HEARD,)
"""Statements that every round makes."""


def device_with_token(row: Sequence[Any]) -> tuple[DeviceIdentity, bool]:
    """The device of an active person, and whether it has been revoked, from a row of DEVICE_WITH_TOKEN."""
    named = dict(zip(_IN_DEVICE_WITH_TOKEN, row, strict=True))
    return DeviceIdentity(named["device"], _person(named)), named["revoked_at_ms"] is not None


def _heard(heard: Heard) -> dict[str, Any]:
    return {
        "heard": heard.device,
        "at_ms": heard.at_ms,
        "operations": heard.operations,
        "photos": heard.photos,
        "holds": bool(heard.operations or heard.photos),
        "holds_nothing": heard.operations == heard.photos == 0,
    }


class People:
    """Reads and writes within the caller's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # -- people ------------------------------------------------------------------------------------------------------

    def person(self, person_id: str) -> Person | None:
        return self._one(people.c.id == clean(person_id))

    def person_with_login(self, login: str) -> tuple[Person, str] | None:
        """An active person of the office and their password's hash."""
        wanted = (people.c.login == clean(login)) & _is_of_the_office & people.c.password_hash.is_not(None)
        row = self._connection.execute(sa.select(people).where(wanted)).mappings().first()
        return (_person(row), row["password_hash"]) if row else None

    def everybody(self, role: Role | None = None, *, active_only: bool = False) -> list[Person]:
        wanted = sa.select(*_OF_PERSON).order_by(people.c.role, people.c.number, people.c.name, people.c.id)
        if role is not None:
            wanted = wanted.where(people.c.role == role.value)
        if active_only:
            wanted = wanted.where(people.c.active)
        return [_person(row) for row in self._connection.execute(wanted).mappings()]

    def named(self, person_ids: Iterable[str]) -> dict[str, str]:
        """Id → name, of those that exist."""
        found = sa.select(people.c.id, people.c.name).where(people.c.id.in_(set(person_ids)))
        return {row.id: row.name for row in self._connection.execute(found)}

    def photo(self, person_id: str) -> bytes | None:
        """The portrait on the work credential, a JPEG."""
        found = self._connection.execute(sa.select(people.c.photo).where(people.c.id == clean(person_id))).scalar()
        return None if found is None else bytes(found)

    def save(self, person: Person, at_ms: int) -> None:
        """Add the person, or bring what is known of them up to date; password and portrait stay. Raises LoginTaken."""
        values: dict[str, Any] = {
            "role": person.role.value,
            "name": clean(person.name),
            "login": None if person.login is None else clean(person.login),
            "number": clean(person.number),
            "phone": clean(person.phone),
            "skills": msgspec.json.encode(person.skills).decode(),
            "certificates": msgspec.json.encode(person.certificates).decode(),
            "credential_until": person.credential_until.isoformat() if person.credential_until else None,
            "language": person.language,
            "active": person.active,
        }
        if person.login is not None:
            taken = sa.select(people.c.id).where((people.c.login == values["login"]) & (people.c.id != person.id))
            if self._connection.execute(taken).first():
                raise LoginTaken(person.login)
        if self._update(people, people.c.id == person.id, values) == 0:
            self._connection.execute(people.insert(), [values | {"id": person.id, "created_at_ms": at_ms}])

    def set_photo(self, person_id: str, photo: bytes) -> None:
        self._update(people, people.c.id == person_id, {"photo": photo})

    def set_password_hash(self, person_id: str, password_hash: str) -> None:
        self._update(people, people.c.id == person_id, {"password_hash": password_hash})

    # -- sessions ----------------------------------------------------------------------------------------------------

    def begin_session(self, token_sha256: str, person_id: str, csrf: str, at_ms: int, expires_at_ms: int) -> None:
        values = {
            "token_sha256": token_sha256,
            "person": person_id,
            "csrf": csrf,
            "created_at_ms": at_ms,
            "used_at_ms": at_ms,
            "expires_at_ms": expires_at_ms,
        }
        self._connection.execute(sessions.delete().where(sessions.c.expires_at_ms <= at_ms))
        self._connection.execute(sessions.insert(), [values])

    def session(self, token_sha256: str) -> StoredSession | None:
        """Of an active person of the office. Whether it ran out is the caller's to say."""
        wanted = sa.select(people, sessions.c.csrf, sessions.c.used_at_ms, sessions.c.expires_at_ms)
        wanted = wanted.join_from(sessions, people).where(sessions.c.token_sha256 == token_sha256, _is_of_the_office)
        row = self._connection.execute(wanted).mappings().first()
        if row is None:
            return None
        return StoredSession(_person(row), row["csrf"], row["used_at_ms"], row["expires_at_ms"])

    def session_used(self, token_sha256: str, at_ms: int) -> None:
        self._update(sessions, sessions.c.token_sha256 == token_sha256, {"used_at_ms": at_ms})

    def end_session(self, token_sha256: str) -> None:
        self._connection.execute(sessions.delete().where(sessions.c.token_sha256 == token_sha256))

    def end_sessions_of(self, person_id: str) -> None:
        self._connection.execute(sessions.delete().where(sessions.c.person == person_id))

    def end_all_sessions(self) -> None:
        self._connection.execute(sessions.delete())

    # -- devices -----------------------------------------------------------------------------------------------------

    def device_with_token(self, token_sha256: str) -> tuple[DeviceIdentity, bool] | None:
        """The device of an active person, and whether it has been revoked."""
        row = self._connection.execute(DEVICE_WITH_TOKEN, {"token_sha256": token_sha256}).first()
        return device_with_token(row) if row else None

    def device_owner(self, device: str) -> str | None:
        return self._connection.execute(sa.select(devices.c.person).where(devices.c.id == device)).scalar()

    def enrol_device(
        self, device: str, person_id: str, *, name: str, platform: str, token_sha256: str, at_ms: int
    ) -> None:
        """Add the device, or give the person's own device a new token; a revoked one is taken back."""
        values = {
            "name": clean(name),
            "platform": clean(platform),
            "token_sha256": token_sha256,
            "enrolled_at_ms": at_ms,
            "revoked_at_ms": None,
            "revoked_by": None,
        }
        if self._update(devices, (devices.c.id == device) & (devices.c.person == person_id), values) == 0:
            self._connection.execute(devices.insert(), [values | {"id": device, "person": person_id}])

    def heard_from(self, device: str, at_ms: int, operations: int | None, photos: int | None) -> None:
        self.heard_from_all([Heard(device, at_ms, operations, photos)])

    def heard_from_all(self, heard: Iterable[Heard]) -> None:
        """Each device once."""
        _HEARD.execute(self._connection, [_heard(each) for each in heard])

    def revoke_device(self, device: str, at_ms: int, revoked_by: str, reason: str) -> bool:
        """False where there is no such device in use. The key it was enrolled with opens nothing any more."""
        spent = (enrolment_offers.c.device == device) & (enrolment_offers.c.expires_at_ms > at_ms)
        self._update(enrolment_offers, spent, {"expires_at_ms": at_ms})
        in_use = (devices.c.id == device) & devices.c.revoked_at_ms.is_(None)
        if self._update(devices, in_use, {"revoked_at_ms": at_ms, "revoked_by": revoked_by}) == 0:
            return False
        said = {"device": device, "revoked_at_ms": at_ms, "revoked_by": revoked_by, "reason": clean(reason)}
        self._connection.execute(revocations.insert(), [said])
        return True

    def devices(self, person_id: str | None = None) -> list[DeviceRow]:
        """Those in use first, the one heard from last before the others."""
        said = (revocations.c.device == devices.c.id) & (revocations.c.revoked_at_ms == devices.c.revoked_at_ms)
        wanted = sa.select(devices, people.c.name.label("person_name"), revocations.c.reason)
        wanted = wanted.join_from(devices, people).outerjoin(revocations, said)
        if person_id is not None:
            wanted = wanted.where(devices.c.person == person_id)
        wanted = wanted.order_by(
            devices.c.revoked_at_ms.is_not(None), devices.c.last_heard_at_ms.desc().nulls_last(), devices.c.id
        )
        return [
            DeviceRow(
                id=row["id"],
                person=row["person"],
                person_name=row["person_name"],
                name=row["name"],
                platform=row["platform"],
                enrolled_at=moment(row["enrolled_at_ms"]),
                last_heard_at=_moment(row["last_heard_at_ms"]),
                holds_operations=row["holds_operations"],
                holds_photos=row["holds_photos"],
                holds_since=_moment(row["holds_since_ms"]),
                revoked_at=_moment(row["revoked_at_ms"]),
                revoked_by=row["revoked_by"],
                revoked_because=row["reason"],
            )
            for row in self._connection.execute(wanted).mappings()
        ]

    # -- enrolment ---------------------------------------------------------------------------------------------------

    def offer_enrolment(
        self, key_sha256: str, person_id: str, *, offered_by: str, at_ms: int, expires_at_ms: int
    ) -> None:
        values = {
            "key_sha256": key_sha256,
            "person": person_id,
            "offered_by": offered_by,
            "offered_at_ms": at_ms,
            "expires_at_ms": expires_at_ms,
        }
        self._connection.execute(enrolment_offers.insert(), [values])

    def offer(self, key_sha256: str, *, to_use: bool = False) -> StoredOffer | None:
        """Of an active person. Whether it ran out or was used is the caller's to say.

        One that is looked up `to_use` is locked until the transaction ends: of two phones that come with the same key
        at once, to two processes, the second finds it used.
        """
        offers = enrolment_offers.c
        wanted = sa.select(people, offers.expires_at_ms, offers.used_at_ms, offers.device)
        named = offers.key_sha256 == clean(key_sha256)
        wanted = wanted.join_from(enrolment_offers, people).where(named, people.c.active)
        if to_use:
            wanted = wanted.with_for_update(of=enrolment_offers)
        row = self._connection.execute(wanted).mappings().first()
        if row is None:
            return None
        return StoredOffer(_person(row), row["expires_at_ms"], row["used_at_ms"], row["device"])

    def use_offer(self, key_sha256: str, device: str, at_ms: int) -> None:
        values = {"used_at_ms": at_ms, "device": device}
        self._update(enrolment_offers, enrolment_offers.c.key_sha256 == key_sha256, values)

    # -- who looked --------------------------------------------------------------------------------------------------

    def note_views(self, person_id: str, tickets: Iterable[str], page: str, at_ms: int) -> None:
        rows = [
            {"person": person_id, "ticket": clean(ticket), "page": clean(page), "viewed_at_ms": at_ms}
            for ticket in tickets
        ]
        if rows:
            self._connection.execute(views.insert(), rows)

    def views_of(self, ticket: str, limit: int = 200) -> list[View]:
        """Newest first."""
        wanted = sa.select(views).where(views.c.ticket == ticket).order_by(views.c.id.desc()).limit(limit)
        return [
            View(row["person"], row["ticket"], row["page"], moment(row["viewed_at_ms"]))
            for row in self._connection.execute(wanted).mappings()
        ]

    def _one(self, wanted: "sa.ColumnElement[bool]") -> Person | None:
        row = self._connection.execute(sa.select(people).where(wanted)).mappings().first()
        return _person(row) if row else None

    def _update(self, table: sa.Table, wanted: "sa.ColumnElement[bool]", values: dict[str, Any]) -> int:
        return self._connection.execute(table.update().where(wanted).values(values)).rowcount


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else moment(at_ms)


def _person(row: "Mapping[str, Any] | sa.RowMapping") -> Person:
    return Person(
        id=row["id"],
        role=Role(row["role"]),
        name=row["name"],
        login=row["login"],
        number=row["number"],
        phone=row["phone"],
        skills=msgspec.json.decode(row["skills"], type=tuple[str, ...]),
        certificates=msgspec.json.decode(row["certificates"], type=tuple[Certificate, ...]),
        credential_until=date.fromisoformat(row["credential_until"]) if row["credential_until"] else None,
        language=row["language"],
        active=bool(row["active"]),
        has_photo=bool(row["photo"]),
    )
