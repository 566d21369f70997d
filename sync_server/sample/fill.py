"""The sample company comes to be through the real door: dispatchers decide at the desk, phones bring rounds.

So its history, its feed and its journals are what the same days at a real company would have left. Only the clock is
played: each step is done at the moment the story gives it.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from shared_schema import operations as op
from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.credentials import Certificate
from shared_schema.identifiers import uuid7
from shared_schema.operations import FIRST_HASH, Actor, Envelope
from shared_schema.operations import Clock as ClockReading
from shared_schema.sync_protocol import (
    PROTOCOL,
    EnrolReply,
    EnrolRequest,
    PutTicket,
    RoundReply,
    RoundRequest,
    SignedHead,
    Verdict,
    head_text,
)
from shared_schema.ticket import Ticket
from sync_server.accounts import Accounts, access_ticket
from sync_server.clock import milliseconds
from sync_server.sample import portraits
from sync_server.sample.company import MISHAPS, PEOPLE, PRICES, TECHNICIANS, SamplePerson
from sync_server.sample.story import Step, steps
from sync_server.services.desk import Desk
from sync_server.services.photo_files import PhotoFiles, Stored
from sync_server.services.reference import References
from sync_server.services.rounds import Rounds
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.storage.people import DeviceIdentity, Person

SEED = 20260


class PlayedClock:
    """The moment of the step being done."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        return self._now.timestamp()

    def be(self, moment: datetime) -> None:
        assert moment.tzinfo is not None, moment
        self._now = moment.astimezone(UTC)


async def fill(storage: Storage, settings: Settings, now: datetime, password: str) -> int:
    """Make the sample company as it is at `now`; the number of operations done."""
    company = _Company(storage, settings, now, password)
    try:
        return await company.come_to_be()
    finally:
        company.close()


class _Company:
    def __init__(self, storage: Storage, settings: Settings, now: datetime, password: str) -> None:
        self._storage = storage
        self._settings = settings
        self._now = now
        self._password = password
        self._clock = PlayedClock(now)
        self._accounts = Accounts(storage, settings, self._clock, monotonic=self._clock.seconds)
        self._photo_files = PhotoFiles(settings.data)
        self._desk = Desk(storage, self._photo_files, self._clock, settings.time_zone)
        self._rounds = Rounds(storage, References(settings), self._clock, access_ticket)
        self._people: dict[str, Person] = {}
        self._phones: dict[str, _Phone] = {}
        self._with_clock_set: set[str] = set()

    def close(self) -> None:
        self._accounts.close()
        self._photo_files.close()

    async def come_to_be(self) -> int:
        told = steps(self._now, ZoneInfo(self._settings.time_zone), SEED)
        of_one = [step.operation_id for step in told if step.person == MISHAPS.set_person and step.told]
        self._with_clock_set = set(of_one[-MISHAPS.set_entries :])
        self._clock.be(told[0].at - timedelta(days=30))
        for person in PEOPLE:
            await self._join(person)
        self._storage.write_now(lambda writing: writing.prices.replace(PRICES))
        for person in TECHNICIANS:
            self._phones[person.id] = await self._enrol(person, f"sample-{person.id}", person.handset)
        for step in told:
            self._clock.be(step.at)
            await self._do(step)
        await self._go_wrong(told)
        self._clock.be(self._now - timedelta(minutes=4))
        for phone in self._phones.values():
            await phone.exchange()
        return sum(1 for step in told if step.told)

    async def _join(self, sample: SamplePerson) -> None:
        today = self._now.date()
        person = Person(
            id=sample.id,
            role=sample.role,
            name=sample.name,
            login=sample.login or None,
            number=sample.number,
            phone=sample.phone,
            skills=sample.skills,
            certificates=tuple(
                Certificate(held.name, held.number, today + timedelta(days=held.valid_days))
                for held in sample.certificates
            ),
            credential_until=today + timedelta(days=300),
        )
        await self._accounts.add_person(
            person,
            password=self._password if sample.login else None,
            portrait=portraits.draw(sample.portrait) if sample.portrait else None,
        )
        self._people[person.id] = person

    async def _enrol(self, sample: SamplePerson, device: str, handset: str) -> "_Phone":
        offer = await self._accounts.offer_enrolment(sample.id, None)
        assert offer is not None, sample.id
        key = None if sample.id == MISHAPS.unsigned_person else Ed25519PrivateKey.generate()
        public_key = key.public_key().public_bytes_raw() if key else UNSET
        request = EnrolRequest(PROTOCOL, offer.key, device, handset, "phone", public_key)
        reply = await self._accounts.enrol(request)
        assert isinstance(reply, EnrolReply), reply
        identity = DeviceIdentity(device, self._people[sample.id])
        return _Phone(identity, self._rounds, self._accounts, self._clock, key)

    async def _go_wrong(self, told: list[Step]) -> None:
        """A phone that falls silent with work on it, and an entry that the office does not know."""
        silent = next(person for person in TECHNICIANS if person.id == MISHAPS.silent_person)
        self._clock.be(self._now - timedelta(days=9))
        phone = await self._enrol(silent, f"sample-{silent.id}-2", MISHAPS.silent_handset)
        self._clock.be(self._now - MISHAPS.silent_for)
        phone.holds_operations, phone.holds_photos = MISHAPS.silent_operations, MISHAPS.silent_photos
        await phone.exchange()
        last = next(step for step in reversed(told) if step.person == MISHAPS.newer_person)
        at = max(last.at, self._now - timedelta(minutes=40)) + timedelta(seconds=10)
        self._clock.be(at)
        identifier = uuid7(int(at.timestamp() * 1000), hashlib.sha256(last.operation_id.encode()).digest()[:10])
        newer = replace(last, at=at, operation_id=identifier, is_offline=False)
        phone = self._phones[MISHAPS.newer_person]
        phone.record(newer, op.AddNote(MISHAPS.newer_words), kind="use_parts")
        assert await phone.exchange() == 1

    async def _do(self, step: Step) -> None:
        if step.told is None:
            await self._phones[step.person].exchange()
            return
        file = await self._desk.ticket(step.ticket)
        ticket = file.ticket if file else None
        operation = step.told(ticket)
        if phone := self._phones.get(step.person):
            if not step.is_offline:
                await phone.exchange()
            was_set = step.operation_id in self._with_clock_set
            phone.record(step, operation, set_by=MISHAPS.set_by if was_set else timedelta())
            if not step.is_offline:
                assert await phone.exchange() == 0, step
        else:
            await self._decide(step, operation, ticket)
        if step.photo and step.is_photo_held:
            self._phones[step.person].holds_photos += 1
        elif step.photo:
            stored = await self._photo_files.store(step.photo)
            assert isinstance(stored, Stored), stored

    async def _decide(self, step: Step, operation: op.Operation, ticket: Ticket | None) -> None:
        person = self._people[step.person]
        if isinstance(operation, op.CreateTicket):
            verdict, _ = await self._desk.create(
                person, operation, operation_id=step.operation_id, ticket_id=step.ticket
            )
        else:
            assert ticket is not None, step
            verdict = await self._desk.perform(
                person,
                step.ticket,
                operation,
                operation_id=step.operation_id,
                base_version=ticket.version,
            )
        assert verdict.filing is Filing.APPLIED, (verdict, operation)


class _Phone:
    """A technician's phone, as far as the office can tell."""

    def __init__(
        self,
        identity: DeviceIdentity,
        rounds: Rounds,
        accounts: Accounts,
        clock: PlayedClock,
        key: Ed25519PrivateKey | None,
    ) -> None:
        self._identity = identity
        self._rounds = rounds
        self._accounts = accounts
        self._clock = clock
        self._key = key
        self._sequence = 0
        self._last_hash = FIRST_HASH
        self._waiting: list[bytes] = []
        self._cursor = 0
        self._reference = ""
        self._versions: dict[str, int] = {}
        self._offset = timedelta(milliseconds=sum(identity.device.encode()) % 900 - 300)
        self._measured: datetime | None = None
        self.holds_operations = 0
        self.holds_photos = 0

    def record(self, step: Step, operation: op.Operation, *, set_by: timedelta = timedelta(), kind: str = "") -> None:
        """`set_by`: by how much somebody has set the clock since it was measured; `kind`: a newer app's."""
        at = step.at.astimezone(UTC)
        envelope = Envelope(
            id=step.operation_id,
            device=self._identity.device,
            sequence=self._sequence + 1,
            ticket=step.ticket,
            actor=Actor(self._identity.person.id, self._identity.person.role),
            base_version=self._versions.get(step.ticket, 0),
            occurred_at=at - self._offset + set_by,
            clock=self._reading(at, slept=MISHAPS.slept_for if step.is_offline else timedelta()),
            previous_hash=self._last_hash,
            operation=operation,
        )
        raw = wire.encode(envelope)
        if kind:
            raw = raw.replace(f'"kind":"{op.kind_of(operation)}"'.encode(), f'"kind":"{kind}"'.encode())
        self._sequence += 1
        self._last_hash = wire.hash_of(raw)
        self._waiting.append(raw)

    def _reading(self, at: datetime, slept: timedelta) -> ClockReading:
        offset_ms = self._offset // timedelta(milliseconds=1)
        if self._measured is None:
            return ClockReading(offset_ms, 120)
        counted = max(at - self._measured - slept, timedelta())
        return ClockReading(offset_ms, 120, milliseconds(self._measured), counted // timedelta(milliseconds=1))

    async def exchange(self) -> int:
        """Send what waits and hear what is new; how much of it was refused."""
        request = RoundRequest(
            PROTOCOL,
            self._identity.device,
            self._cursor,
            ops=[Raw(raw) for raw in self._waiting],
            reference=self._reference,
            head=self._head(),
        )
        reply = wire.decode(await self._rounds.round(self._identity, request), RoundReply)
        assert isinstance(reply, RoundReply), reply
        assert reply.received_through == self._sequence, (reply, self._sequence)
        verdicts = [wire.decode_verdict(raw) for raw in reply.verdicts]
        refused = [each for each in verdicts if isinstance(each, Verdict) and each.filing is Filing.REFUSED]
        self._waiting = []
        for raw in reply.changes:
            change = wire.decode_change(raw)
            if isinstance(change, PutTicket):
                self._versions[change.ticket.id] = change.ticket.version
        self._cursor = reply.cursor
        self._reference = reply.reference.version if reply.reference else self._reference
        self._measured = self._clock.now()
        holding = f"operations={self.holds_operations}; photos={self.holds_photos}"
        await self._accounts.heard_from(self._identity, holding)
        return len(refused)

    def _head(self) -> SignedHead | UnsetType:
        if self._key is None or not self._sequence:
            return UNSET
        text = head_text(self._identity.device, self._sequence, self._last_hash)
        public_key = self._key.public_key().public_bytes_raw()
        return SignedHead(self._sequence, self._last_hash, public_key, self._key.sign(text))
