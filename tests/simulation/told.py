"""What the office's people are told when all is well again.

By the office's own check of itself; about times, about what was refused and what came late; and of what phones have
signed. And that whoever was turned away stays outside.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from field_app.store import Store
from field_app.store.store import WITHDRAWN_STAYS
from shared_schema import wire
from shared_schema.evidence import Arrival, Note, Objection, Photo, SignOff
from shared_schema.lifecycle import OVER
from shared_schema.moments import TOLERANCE_MS, occurrence
from shared_schema.operations import AnswerRefusal, Envelope
from shared_schema.rejections import NotThisDevice
from shared_schema.sync_protocol import PROTOCOL
from shared_schema.ticket import Ticket
from sync_server.app import EXPIRY_EVERY
from sync_server.clock import moment
from sync_server.services.attention import AttentionQueue
from sync_server.services.reference import References
from sync_server.services.verification import Problem, verify
from sync_server.storage import Reading
from sync_server.storage.journal import Entry
from tests.simulation.network import Parts, Sent

if TYPE_CHECKING:
    from tests.simulation.invariants import Invariants
    from tests.simulation.ledger import Promise
    from tests.simulation.phones import Phone
    from tests.simulation.world import World

_EVERYTHING = 2**31
_ABOUT_PHOTOS = frozenset({Problem.PHOTO_DAMAGED, Problem.PHOTO_MISSING})
_MILLISECOND = timedelta(milliseconds=1)
_SLACK = TOLERANCE_MS * _MILLISECOND


class Told:
    def __init__(self, world: "World", invariants: "Invariants") -> None:
        self._world = world
        self._holds = invariants._holds

    async def at_the_end(self, entries: list[Entry], tickets: dict[str, Ticket]) -> None:
        self._finds_itself_sound()
        self._knows_when(entries)
        self._answers_are_known(entries)
        await self._queue_is_complete(tickets)
        self._believes_its_phones()
        await self._turned_away_stay_outside()

    def _finds_itself_sound(self) -> None:
        """`doorstep verify`, of an office whose disk has damaged nothing but photos."""
        process, ledger = self._world.office.process, self._world.ledger
        assert process is not None
        found = verify(process.storage, self._world.office.settings.data, tell=lambda *_: None)
        for finding in found.problems:
            is_known = finding.what in _ABOUT_PHOTOS and finding.about in {*ledger.damaged, *ledger.excused_photos}
            self._holds(
                "the office finds itself sound", is_known, f"{finding.what.value} {finding.about} {finding.detail}"
            )

    def _knows_when(self, entries: list[Entry]) -> None:
        """Within the bounds that the desk is shown, whatever the phone's clock did."""
        saved = self._world.ledger.saved
        journals: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.position:
                journals.setdefault(entry.device, []).append(entry)
        for _, journal in sorted(journals.items()):
            not_before = None
            for entry in sorted(journal, key=lambda entry: entry.sequence):
                envelope = wire.decode_envelope(entry.raw)
                if not isinstance(envelope, Envelope):
                    continue
                made = occurrence(envelope, moment(entry.received_at_ms), not_before)
                promise = saved.get(entry.id)
                if promise is not None and _could_be_known(promise, envelope):
                    is_within = made.earliest - _SLACK <= promise.at <= made.latest + _SLACK
                    detail = f"{promise.at} is not in {made.earliest}-{made.latest} ({envelope.clock})"
                    self._holds("the desk knows when it was", is_within, f"{promise.phone} {entry.sequence}: {detail}")
                    self._world.trace.count("moments compared")
                if promise is None or _could_be_known(promise, envelope):
                    not_before = made.earliest

    def _answers_are_known(self, entries: list[Entry]) -> None:
        """What a technician has made of a refusal, where the desk still has that refusal. An office that was of a form
        without refusals files them anew out of its journals, and nobody could answer there."""
        if self._world.office.has_lost_its_key:
            return
        refusals = self._world.office.look(
            lambda reading: reading.attention.refusals(open_only=False, newest=_EVERYTHING)
        )
        by_id = {refusal.operation: refusal for refusal in refusals}
        for entry in entries:
            envelope = wire.decode_envelope(entry.raw)
            if not isinstance(envelope, Envelope) or not isinstance(envelope.operation, AnswerRefusal):
                continue
            verdict = wire.decode_verdict(entry.verdict)
            refusal = by_id.get(envelope.operation.refused)
            is_believed = entry.position and not isinstance(getattr(verdict, "rejection", None), NotThisDevice)
            if is_believed and refusal is not None:
                self._world.trace.count("answers to refusals looked for at the desk")
                self._holds("the desk knows the answer", refusal.answer is not None, entry.id)

    async def _queue_is_complete(self, tickets: dict[str, Ticket]) -> None:
        """Nothing that came late waits without anybody being told."""
        process = self._world.office.process
        assert process is not None
        shown = {ticket.id for ticket in self._world.office.look(lambda reading: reading.tickets.late(_EVERYTHING))}
        for ticket in tickets.values():
            late: tuple[Note | Photo | Arrival | SignOff | Objection, ...] = (
                *ticket.notes,
                *ticket.photos,
                *ticket.arrivals,
                *ticket.sign_offs,
                *ticket.objections,
            )
            decided = {decision.about for decision in ticket.decisions}
            waits = {each.operation_id for each in late if each.late} | {
                proposal.operation_id for proposal in ticket.proposals
            }
            self._holds("what came late is in the queue", bool(waits - decided) == (ticket.id in shown), ticket.id)
        await AttentionQueue(process.storage, self._world.clock).queue()

    def _believes_its_phones(self) -> None:
        """Each journal is signed to its end, and nobody is suspected who has done nothing."""

        def look(reading: Reading) -> None:
            for phone in self._world.phones:
                identity = phone.app.store.identity() if phone.app else None
                if identity is None or phone.is_gone or self._world.invariants.may_be_of_two_minds(phone):
                    continue
                signature = reading.keys.signatures([identity.device]).get(identity.device)
                through = reading.journal.received_through(identity.device)
                signed = signature.signed_through if signature else 0
                self._holds("the journal is signed", signed == through, f"{phone.name}: {signed} of {through}")
                is_doubted = signature is not None and signature.is_in_doubt
                self._holds("nobody is suspected", not is_doubted, f"{phone.name}: {signature}")

        self._world.office.look(look)

    async def _turned_away_stay_outside(self) -> None:
        """Not at once: who somebody is, a process of the office remembers for a while."""
        for token, device in sorted(self._world.ledger.revoked.items()):
            body = wire.encode({"protocol": PROTOCOL, "device": device, "cursor": 0})
            headers = ((b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json"))
            sent = Sent("POST", "/sync/v1/round", headers, body)
            answer = await self._world.office.serve(sent, Parts(((0.0, body),)), asyncio.Event())
            self._world.trace.count("phones turned away that knock again")
            self._holds("who was turned away stays outside", answer.status == 401, f"{device}: {answer.status}")

    # -- phones --------------------------------------------------------------------------------------------------------

    def scope_is_right(self, phone: "Phone", tickets: dict[str, Ticket], scope: set[str]) -> None:
        """Whose visits they are says the ticket, and how long what is over stays say the settings."""
        office = self._world.office
        expiry = timedelta(days=office.settings.expiry_days)
        now = self._world.clock.now()
        for ticket in tickets.values():
            is_theirs = ticket.technician == phone.person
            if not is_theirs or ticket.status not in OVER:
                self._holds("everybody has what is theirs", is_theirs == (ticket.id in scope), (phone.name, ticket.id))
            elif ticket.over_at is not None and now - ticket.over_at < expiry:
                pass  # it may have been over before, have expired and been reopened; then it is another's or nobody's
            elif ticket.over_at is not None and office.since is not None:
                is_due = now - ticket.over_at > expiry + EXPIRY_EVERY and now - office.since > EXPIRY_EVERY
                is_kept = ticket.id in scope
                self._holds("what is over goes in the end", not (is_due and is_kept), (phone.name, ticket.id))

    def list_is_the_newest(self, phone: "Phone", store: Store) -> None:
        """Prices, names and credential."""
        process = self._world.office.process
        assert process is not None
        references = References(self._world.office.settings)

        def version(reading: Reading) -> None:
            references.look_up(reading)
            person = reading.people.person(phone.person)
            newest = references.known(person, reading.feed.reference_revision()) if person is not None else None
            held = store.reference()
            self._holds("the phone has the newest list", newest is not None and held == newest, phone.name)

        self._world.office.look(version)

    def forgets_in_time(self, phone: "Phone", store: Store) -> None:
        """As it is opened, where its disk lets it: a ticket withdrawn days ago, on which nothing waits."""
        waiting = {entry.ticket for entry in store.waiting()} | {photo.ticket for photo in store.photos_waiting()}
        rows = store._file.rows("SELECT id, withdrawn_at FROM tickets WHERE withdrawn_at IS NOT NULL")
        for ticket, left_at_ms in rows:
            is_due = moment(left_at_ms) < phone.device.now() - WITHDRAWN_STAYS - timedelta(minutes=1)
            is_kept = is_due and ticket not in waiting
            self._holds("what left the scope left the phone", not is_kept, f"{phone.name}: {ticket} is still there")


def _could_be_known(promise: "Promise", envelope: Envelope) -> bool:
    """Not where the clock was set while the app was away and no other witness contradicts it."""
    clock = envelope.clock
    if isinstance(clock.since_anchor_ms, int):
        return True
    wrong_by_ms = (envelope.occurred_at - promise.at) / _MILLISECOND
    return abs(wrong_by_ms + clock.offset_ms) <= (clock.uncertainty_ms or 0) + TOLERANCE_MS


def operation_in(raw: bytes) -> bytes:
    """As it was entered, also where this version cannot read it."""
    return bytes(msgspec.json.decode(raw, type=_WithOperation).operation)


def hash_before(raw: bytes) -> str:
    return msgspec.json.decode(raw, type=_WithLink).previous_hash


class _WithOperation(msgspec.Struct):
    operation: msgspec.Raw


class _WithLink(msgspec.Struct):
    previous_hash: str
