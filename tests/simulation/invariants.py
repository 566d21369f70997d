"""What must hold, while things go wrong and when all is well again.

Everything is looked up where it really is: the office's journal, tickets and feed through its storage, the phones'
through their stores, photos as files. A violation is kept, not raised into the production code that asked.
"""

import asyncio
import gzip
import hashlib
import sqlite3
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from field_app.store import EntryState, JournalEntry
from shared_schema import wire
from shared_schema.apply import Filing, apply, filing
from shared_schema.lifecycle import OVER
from shared_schema.operations import FIRST_HASH, AddPhoto, AnswerRefusal, Envelope, MergeDuplicate
from shared_schema.rejections import JournalBroken, NotThisDevice, SequenceTaken, UnknownTechnician
from shared_schema.sync_protocol import RoundReply, Verdict
from shared_schema.ticket import Ticket
from sync_server.accounts import access_ticket
from sync_server.storage import Reading
from sync_server.storage.journal import Entry
from sync_server.storage.people import DeviceIdentity
from tests.simulation.network import Answer, OfficeGone, Parts, Sent
from tests.simulation.people import TECHNICIANS
from tests.simulation.told import Told, hash_before, operation_in
from tests.simulation.trace import InvariantBroken

if TYPE_CHECKING:
    from tests.simulation.office import Process
    from tests.simulation.phones import Phone
    from tests.simulation.world import World

_EVERYTHING = 2**31
_MINUTE = 60.0
_MOST_REQUESTS = {"/sync/v1/round": 120, "/sync/": 300}
"""Of one phone in a minute: more than it needs even where everything comes in small parts, less than one that asks
without pausing."""
_EXPECTED_INCIDENTS = frozenset({"StorageUnavailable", "StoreTooNew"})


class Invariants:
    def __init__(self, world: "World") -> None:
        self._world = world
        self.broken: InvariantBroken | None = None
        self.told = Told(world, self)
        self._receipts: dict[str, int] = {}
        """Device → how far the office has said it holds its journal."""
        self._photos_received: set[str] = set()
        """Those of which a phone has been told so. A phone may bring anew what the office's disk has lost, so this is
        looked for whenever the office starts, before anybody can."""
        self._asked: dict[tuple[str, str], deque[float]] = {}
        self._peace_until: dict[str, float] = {}

    @property
    def is_broken(self) -> bool:
        return self.broken is not None

    def fails(self, name: str, detail: str, cause: BaseException | None = None) -> None:
        """The first violation is the one that counts."""
        if self.broken is None:
            self.broken = InvariantBroken(name, detail)
            self.broken.__cause__ = cause
            self._world.trace.note("BROKEN", f"{name}: {detail}")

    def _holds(self, name: str, fact: bool, detail: object) -> None:
        if not fact:
            self.fails(name, str(detail))

    # -- while things go wrong -----------------------------------------------------------------------------------------

    def asked(self, phone: str, sent: Sent) -> None:
        """As a request leaves a phone."""
        at = self._world.loop.time()
        if sent.path == "/sync/v1/round":
            until = self._peace_until.get(phone, 0.0)
            self._holds(
                "nobody asks before the office wants", at >= until - 0.01, f"{phone}: {until - at:.1f} s before"
            )
        for path, most in _MOST_REQUESTS.items():
            if sent.path.startswith(path):
                times = self._asked.setdefault((phone, path), deque())
                times.append(at)
                while times[0] < at - _MINUTE:
                    times.popleft()
                self._holds(
                    "nobody asks without end", len(times) <= most, f"{phone}: {len(times)} × {path} in a minute"
                )

    def answered(self, process: "Process", sent: Sent, answer: Answer) -> None:
        """As an answer leaves the office."""
        is_full = self._world.office.disk.is_full
        self._holds("nothing crashes", answer.status != 500 or is_full, f"500 to {sent.method} {sent.path}")
        if answer.status >= 300:  # refused: when what goes before it has come, it may be news
            return
        has_all = answer.came_whole
        if sent.path == "/sync/v1/round":
            reply = msgspec.json.decode(_unzipped(answer), type=RoundReply)
            asked = msgspec.json.decode(sent.body)
            has_all &= len(reply.verdicts) == len(asked.get("ops", ()))  # else there is a gap before some of them
            self._round_answered(process, asked["device"], reply)
        if has_all:
            self._world.remember(sent)

    def _round_answered(self, process: "Process", device: str, reply: RoundReply) -> None:
        self._receipts[device] = max(self._receipts.get(device, 0), reply.received_through)
        if reply.verdicts:
            self._world.trace.count("verdicts given", len(reply.verdicts))
            process.storage.read_now(lambda reading: self._acknowledged(reading, device, reply))

    def _acknowledged(self, reading: Reading, device: str, reply: RoundReply) -> None:
        through = reading.journal.received_through(device)
        self._holds(
            "acknowledged is committed", reply.received_through <= through, (device, reply.received_through, through)
        )
        verdicts = [msgspec.json.decode(raw, type=Verdict) for raw in reply.verdicts]
        held = reading.journal.held(device, [verdict.sequence for verdict in verdicts])
        for raw, verdict in zip(reply.verdicts, verdicts, strict=True):
            entry = held.get(verdict.sequence)
            if entry is None:
                self.fails("acknowledged is committed", f"{device} {verdict.sequence} was answered and is not there")
            elif entry.id == verdict.id:
                self._holds("one verdict", entry.verdict == bytes(raw), (device, verdict.sequence))

    def syncing_ended(self, task: "asyncio.Task[None]") -> None:
        """Of one life of an app; by its death, which cancels it, and by nothing else."""
        if not task.cancelled():
            self.fails("syncing goes on", repr(task.exception()))

    def photo_said_received(self, phone: "Phone", sha256: str) -> None:
        """A phone has just been told so."""
        office = self._world.office
        if office.restores > phone.line.restores_known:  # it was said by an office that is no more
            return
        self._photos_received.add(sha256)
        if office.process is not None:  # else died since it said so: looked for when it is back
            self._photo_is_whole(office.process, sha256, phone.name)

    def photo_made_room(self, phone: "Phone", sha256: str) -> None:
        """A phone has just let go of its bytes: the office has said once more that it has them."""
        office = self._world.office
        self._world.trace.count("photos that made room")
        if office.process is not None and office.restores == phone.line.restores_known:
            is_there = office.process.photo_files.path(sha256) is not None
            self._holds("what makes room is at the office", is_there, f"{phone.name}: {sha256[:12]}")

    def _photo_is_whole(self, process: "Process", sha256: str, about: str) -> None:
        path = process.photo_files.path(sha256)
        data = path.read_bytes() if path else b""
        is_whole = hashlib.sha256(data).hexdigest() == sha256
        self._world.trace.count("photos received, looked up at the office")
        if is_whole:
            self._world.ledger.damaged.discard(sha256)
        self._holds(
            "received is at the office",
            is_whole or sha256 in self._world.ledger.damaged,
            f"photo {sha256[:12]} of {about}: {len(data)} bytes",
        )

    def desk_was_told(self, operation_id: str, verdict: Verdict) -> None:
        known = self._world.ledger.desk.setdefault(operation_id, verdict.filing)
        self._world.trace.count("operations done at the desk")
        self._holds("one verdict", known is verdict.filing, (operation_id, known, verdict.filing))

    def was_told_a_number(self, ticket: str, number: str) -> None:
        known = self._world.ledger.numbers.setdefault(number, ticket)
        self._holds("a number is one ticket's", known == ticket, (number, known, ticket))

    def office_wants_peace(self, phone: str, until: float) -> None:
        """Retry-After, told to a phone (RFC 9110)."""
        self._peace_until[phone] = until

    def app_starts(self, phone: str) -> None:
        """And knows nothing of what an earlier life was told."""
        self._peace_until.pop(phone, None)

    def office_restored(self) -> None:
        self._receipts.clear()
        self._photos_received.clear()
        self._world.ledger.revoked.clear()
        self._world.forget_messages()

    def office_restarted(self, process: "Process") -> None:
        """Whatever was acknowledged before is still there."""
        if self._world.office.is_embedded:
            self._whole(str(self._world.office.settings.data / "doorstep.db"))
        heads = process.storage.read_now(lambda reading: reading.journal.heads(sorted(self._receipts)))
        for device, through in sorted(self._receipts.items()):
            held = heads[device].received_through if device in heads else 0
            self._holds("received is at the office", held >= through, f"{device}: said {through}, holds {held}")
        for sha256 in sorted(self._photos_received):
            self._photo_is_whole(process, sha256, "an office that has started again")

    def phone_opened(self, phone: "Phone") -> None:
        """Whatever a person was told is saved is there."""
        assert phone.app is not None
        self._whole(str(phone.path))
        store = phone.app.store
        entries = store.journal(limit=_EVERYTHING)
        ids = {entry.id for entry in entries}
        promised = [promise.id for promise in self._world.ledger.saved.values() if promise.phone == phone.name]
        gone = {each for each in promised if each not in ids}
        was_restored, phone.was_restored = phone.was_restored, False
        phone.was_ever_restored |= was_restored
        if was_restored:
            phone.missing |= gone
            self._world.excuse("a store was put back to an old copy")
        lost = gone - phone.missing
        self._holds("saved survives", not lost, f"{phone.name}: {sorted(lost)[:3]}")
        if not phone.disk.is_full:
            self.told.forgets_in_time(phone, store)
        written = {getattr(entry.envelope.operation, "text", "") for entry in entries if entry.envelope}
        for (name, key), texts in sorted(self._world.ledger.drafts.items()):
            if name == phone.name:
                draft = (store.draft(key) or {}).get("text", "")
                kept = draft in texts or texts & written or was_restored or phone.missing
                self._holds("drafts survive", bool(kept), f"{name} {key}: {draft!r} is none of {sorted(texts)}")
                self._world.ledger.drafts[name, key] = {draft}

    def _whole(self, path: str) -> None:
        """SQLite's own opinion of the file."""
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            (opinion,) = connection.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.Error as fault:
            opinion = str(fault)
        finally:
            connection.close()
        self._world.trace.count("integrity checks")
        self._holds("the file is whole", opinion == "ok", f"{path.rsplit('/', 2)[-2]}: {opinion}")

    # -- what is where -------------------------------------------------------------------------------------------------

    def ids_at_office(self) -> set[str]:
        return {entry.id for entry in self._world.office.look(self._entries)}

    def photo_is_at_office(self, sha256: str) -> bool:
        process = self._world.office.process
        return process is not None and process.photo_files.path(sha256) is not None

    def _entries(self, reading: Reading) -> list[Entry]:
        """Everything the office holds of everybody, that which was set aside included."""
        placed = reading.journal.after(0, _EVERYTHING)
        tickets = {promise.ticket for promise in self._world.ledger.saved.values()}
        aside = [
            entry for ticket in sorted(tickets) for entry in reading.journal.of_ticket(ticket) if entry.position == 0
        ]
        return placed + aside

    def phone_has_nothing_to_say(self, phone: "Phone") -> bool:
        app = phone.app
        if app is None or app.store.identity() is None or app.enrolling is not None:
            return False
        counts = app.store.counts()
        return (
            counts.operations == counts.photos == 0
            and not app.store.is_behind()
            and (self.may_be_of_two_minds(phone) or app.store.signed_through() >= app.store.received_through())
            and app.engine.status.reachable is True
        )

    def may_be_of_two_minds(self, phone: "Phone") -> bool:
        """Whether something was put back to an old copy, after which a journal may not be the one that was signed."""
        return phone.was_ever_restored or self._world.office.restores > 0

    def damage_is_told(self) -> None:
        """The office was left alone for as long as it may take to look at all its photos."""
        process = self._world.office.process
        assert process is not None
        told = self._told_faulty()
        for sha256, captured in sorted(self._world.ledger.photos.items()):
            path = process.photo_files.path(sha256)
            is_whole = path is not None and path.read_bytes() == captured
            if is_whole:
                self._holds("the office raises no false alarm", sha256 not in told, sha256[:12])
            elif sha256 in self._world.ledger.damaged and sha256 not in self._world.ledger.excused_photos:
                self._world.trace.count("photos damaged by the office's disk, and alarms of it looked for")
                self._holds("the office says what its disk has damaged", sha256 in told, sha256[:12])

    def _told_faulty(self) -> set[str]:
        """Photos of which the desk has an alarm."""
        faults = self._world.office.look(lambda reading: reading.scrubs.faults(_EVERYTHING))
        return {fault.sha256 for fault in faults}

    def came_to_no_rest(self, phone: "Phone") -> None:
        """Everybody had hours of peace, and this phone still has something to say."""
        self.fails("everything comes to rest", self._told_of(phone))

    # -- when all is well again ----------------------------------------------------------------------------------------

    async def at_the_end(self) -> None:
        phones = [phone for phone in self._world.phones if not phone.is_gone]
        for phone in phones:
            self._drained(phone)
        if self.is_broken:
            return
        entries = self._world.office.look(self._entries)
        self._journals_are_whole([entry for entry in entries if entry.position])
        tickets = self._sum([entry for entry in entries if entry.position])
        self._feed_has_no_gap(entries)
        self._promises_are_kept(entries)
        self._drafts_are_at_the_desk()
        self._photos_are_there(entries)
        for phone in phones:
            self._phone_agrees(phone, tickets, entries)
        if not self.is_broken:
            await self.told.at_the_end(entries, tickets)
        if not self.is_broken:
            await self._replaying_changes_nothing()
        self._world.trace.count("worlds checked at their end")

    def _drained(self, phone: "Phone") -> None:
        app = phone.app
        if app is None:
            self.fails("the queue drains", f"{phone.name} cannot be opened")
            return
        self._holds("the queue drains", self.phone_has_nothing_to_say(phone), self._told_of(phone))
        self._holds("the copy kept for an update goes in the end", not phone.keeps_a_copy, phone.name)
        for incident in app.store.incidents(1000):
            if incident.kind in {"round-failed", "subscriber-failed"}:
                name = incident.detail.partition(":")[0]
                self._holds("nothing crashes", name in _EXPECTED_INCIDENTS, f"{phone.name}: {incident.detail[:300]}")

    def _told_of(self, phone: "Phone") -> str:
        app = phone.app
        if app is None:
            return f"{phone.name} is off"
        waiting = [f"{entry.sequence} {entry.kind}" for entry in app.store.waiting()][:3]
        photos = [f"{photo.sha256[:12]} {photo.offset}" for photo in app.store.photos_waiting()][:3]
        incidents = [f"{each.kind}: {each.detail}"[:80] for each in app.store.incidents(5)]
        return (
            f"{phone.name}: {waiting} {photos} {incidents} reachable {app.engine.status.reachable},"
            f" signed out {app.engine.status.signed_out}, known {app.store.identity() is not None}"
        )

    def _journals_are_whole(self, placed: list[Entry]) -> None:
        """Gap-free, each naming the hash of the one before; what does not was refused for it."""
        journals: dict[str, list[Entry]] = {}
        for entry in placed:
            journals.setdefault(entry.device, []).append(entry)
        heads = self._world.office.look(lambda reading: reading.journal.heads(sorted(journals)))
        ids: set[str] = set()
        for device, entries in sorted(journals.items()):
            entries.sort(key=lambda entry: entry.sequence)
            numbers = [entry.sequence for entry in entries]
            self._holds("journals have no gap", numbers == list(range(1, len(numbers) + 1)), (device, numbers[-3:]))
            before = FIRST_HASH
            for entry in entries:
                self._holds("exactly once", entry.id not in ids, entry.id)
                ids.add(entry.id)
                rejection = _verdict(entry).rejection
                is_linked = hash_before(entry.raw) == before
                self._holds(
                    "the chain verifies", is_linked or isinstance(rejection, JournalBroken), (device, entry.sequence)
                )
                before = wire.hash_of(entry.raw)
            head = heads.get(device)
            self._holds(
                "the chain verifies",
                head is not None and (head.received_through, head.last_hash) == (len(entries), before),
                (device, head),
            )
        self._world.trace.count("envelopes verified in their chains", len(placed))

    def _sum(self, placed: list[Entry]) -> dict[str, Ticket]:
        """Each ticket is what `apply` makes of the accepted operations in the order of the feed."""
        tickets: dict[str, Ticket] = {}
        for entry in sorted(placed, key=lambda entry: entry.position):
            verdict = _verdict(entry)
            envelope = wire.decode_envelope(entry.raw)
            if not isinstance(envelope, Envelope):
                self._holds("one verdict", verdict.filing is Filing.REFUSED, entry.id)
                continue
            after = apply(envelope, tickets.get(envelope.ticket))
            operation = envelope.operation
            if isinstance(operation, MergeDuplicate) and verdict.filing is not Filing.REFUSED:
                into = tickets.get(operation.into)
                goes_on = into is not None and into.status not in OVER
                self._holds("what a duplicate is merged into goes on", goes_on, entry.id)
            if verdict.filing is Filing.REFUSED:
                is_right = isinstance(verdict.rejection, _NOT_BY_APPLY) or verdict.rejection == after
                is_right |= isinstance(operation, MergeDuplicate)  # looks at a second ticket, too
                self._holds("nothing good is refused", is_right, f"{entry.id}: {verdict.rejection}")
                continue
            if not isinstance(after, Ticket):
                self.fails("a ticket is the sum of its operations", f"{entry.id} was accepted, and is {after}")
                return tickets
            said = (verdict.filing, verdict.version)
            self._holds(
                "a ticket is the sum of its operations",
                said == (filing(envelope.id, after), after.version),
                (entry.id, said, after.version),
            )
            tickets[envelope.ticket] = after
        stored = self._world.office.look(lambda reading: reading.tickets.by_id(sorted(tickets)))
        for ticket_id, ticket in sorted(tickets.items()):
            self._holds("a ticket is the sum of its operations", stored.get(ticket_id) == ticket, ticket_id)
        return tickets

    def _feed_has_no_gap(self, entries: list[Entry]) -> None:
        def positions(reading: Reading) -> tuple[set[int], list[tuple[int, int]]]:
            latest = reading.feed.latest()
            withdrawn = {
                row.position
                for person in TECHNICIANS
                for row in reading.tickets.changes(person.id, 0, latest, _EVERYTHING)
                if row.data is None
            }
            first, stretches = 1, []
            for jump in reading.feed.restores():  # the only gaps there may be
                stretches.append((first, jump.feed_through))
                first = jump.feed_resumes_after + 1
            return withdrawn, [*stretches, (first, latest)]

        withdrawn, stretches = self._world.office.look(positions)
        told = [entry.position for entry in entries if entry.position]
        self._holds("the feed has no gap", len(told) == len(set(told)), "a position was given twice")
        given = sorted({*told, *withdrawn})
        expected = sum(last - first + 1 for first, last in stretches)
        within = [position for position in given if any(first <= position <= last for first, last in stretches)]
        self._holds("the feed has no gap", len(given) == len(within) == expected, (stretches, given[-3:]))

    def _promises_are_kept(self, entries: list[Entry]) -> None:
        ledger, trace = self._world.ledger, self._world.trace
        held: dict[str, list[Entry]] = {}
        for entry in entries:
            held.setdefault(entry.id, []).append(entry)
        phones = {phone.name: phone for phone in self._world.phones}
        shown: dict[str, dict[str, JournalEntry]] = {
            name: {entry.id: entry for entry in phone.app.store.journal(limit=_EVERYTHING)}
            for name, phone in phones.items()
            if phone.app is not None and not phone.is_gone
        }
        for promise in ledger.saved.values():
            found = held.get(promise.id, [])
            trace.count("promised operations looked for")
            if not found:
                on_phone = shown.get(promise.phone, {}).get(promise.id)
                is_visible = on_phone is not None and (
                    on_phone.state is EntryState.WAITING or self._was_set_aside(on_phone)
                )
                if is_visible or promise.id in ledger.excused:
                    continue
                self.fails("saved is never lost", f"{promise.phone} no. {promise.sequence} {promise.operation[:80]!r}")
                return
            self._holds("exactly once", len({(entry.raw, entry.verdict) for entry in found}) == 1, promise.id)
            is_same = operation_in(found[0].raw) == promise.operation
            self._holds("saved is never altered", is_same, promise.id)
            known = shown.get(promise.phone, {}).get(promise.id)
            if known is not None:
                is_known = known.state in _STATES[_verdict(found[0]).filing]
                self._holds("the phone knows the verdict", is_known, (promise.id, known.state))
        for operation_id, said in ledger.desk.items():
            found = held.get(operation_id, [])
            trace.count("operations of the desk looked for")
            if operation_id in ledger.excused:
                continue
            self._holds("saved is never lost", len(found) == 1, f"the desk's {operation_id}: {len(found)}")
            if found:
                self._holds("one verdict", _verdict(found[0]).filing is said, operation_id)

    def _was_set_aside(self, entry: JournalEntry) -> bool:
        """Made on a phone put back to an old copy, under a number that the office had; what it set aside then has no
        place in a journal by which it would be brought again to an office put back to a backup. The phone shows it."""
        return self._world.office.restores > 0 and isinstance(entry.rejection, SequenceTaken)

    def _drafts_are_at_the_desk(self) -> None:
        """Those that left a phone in a rescue file."""
        drafts = self._world.office.look(
            lambda reading: reading.attention.drafts(unseen_only=False, newest=_EVERYTHING)
        )
        held = {(draft.key, draft.hash) for draft in drafts}
        for file in self._world.ledger.rescue_files:
            self._world.trace.count("rescued drafts looked for", len(file.drafts))
            self._holds("drafts survive", file.drafts <= held, f"{file.path.name}: {sorted(file.drafts - held)}")

    def _photos_are_there(self, entries: list[Entry]) -> None:
        process = self._world.office.process
        assert process is not None
        whole = {
            phone.app.store.identity().device  # type: ignore[union-attr]
            for phone in self._world.phones
            if phone.app is not None and not phone.is_gone and not phone.missing
        }
        for entry in entries:
            envelope = wire.decode_envelope(entry.raw)
            if entry.device in whole and isinstance(envelope, Envelope) and isinstance(envelope.operation, AddPhoto):
                sha256 = envelope.operation.sha256
                is_known = sha256 in {*self._world.ledger.damaged, *self._world.ledger.excused_photos}
                is_there = process.photo_files.path(sha256) is not None or is_known
                self._holds("a photo that is named is there", is_there, f"{entry.device} {entry.sequence}")
        told = self._told_faulty()
        for sha256, captured in self._world.ledger.photos.items():
            self._world.trace.count("photos compared byte for byte")
            path = process.photo_files.path(sha256)
            data = path.read_bytes() if path is not None else None
            if sha256 in self._world.ledger.damaged and data != captured:
                self._is_beyond_repair(sha256, told)
            elif data is None:
                excused = sha256 in self._world.ledger.excused_photos
                self._holds("photos arrive as they were taken", excused, f"{sha256[:12]} is missing")
            else:
                self._holds("photos arrive as they were taken", data == captured, f"{sha256[:12]} differs")

    def _is_beyond_repair(self, sha256: str, told: set[str]) -> None:
        """A photo that the office's disk has damaged, and that nobody has brought anew."""
        holders = [
            phone.name
            for phone in self._world.phones
            if phone.app is not None and not phone.is_gone and phone.app.store.photo(sha256) is not None
        ]
        self._holds("what the disk has damaged is brought anew", not holders, f"{sha256[:12]} is on {holders}")
        is_excused = sha256 in self._world.ledger.excused_photos
        self._holds("the office says what its disk has damaged", is_excused or sha256 in told, sha256[:12])
        self._world.ledger.excused_photos.setdefault(sha256, "the office's disk damaged what no phone held any more")

    def _phone_agrees(self, phone: "Phone", tickets: dict[str, Ticket], entries: list[Entry]) -> None:
        assert phone.app is not None
        store = phone.app.store
        person = next(each for each in TECHNICIANS if each.id == phone.person)
        identity = store.identity()
        assert identity is not None
        scope = self._world.office.look(lambda reading: reading.tickets.scope(person.id))
        wanted = {
            ticket_id: access_ticket(DeviceIdentity(identity.device, person), tickets[ticket_id])
            for ticket_id, _ in scope
        }
        self.told.scope_is_right(phone, tickets, {ticket_id for ticket_id, _ in scope})
        self.told.list_is_the_newest(phone, store)
        shown = {ticket.id: ticket for ticket in store.tickets()}
        beyond = sorted(set(shown) - set(wanted))
        self._holds("what left the scope left the phone", not beyond, f"{phone.name}: {beyond}")
        for ticket_id, ticket in sorted(wanted.items()):
            self._holds("the phone shows the office's ticket", shown.get(ticket_id) == ticket, (phone.name, ticket_id))
        for ticket_id in sorted(set(tickets) - set(wanted)):
            former = store.withdrawn(ticket_id)
            if former is not None:
                known = (former.customer.phone, former.customer.address)
                self._holds("what left the scope left the phone", known == ("", ""), f"{phone.name}: {ticket_id}")
        for ticket in shown.values():
            if ticket.status in OVER:
                known = (ticket.customer.phone, ticket.customer.address)
                self._holds("what left the scope left the phone", known == ("", ""), f"{phone.name}: {ticket.id}")
        undealt = {entry.id for entry in store.refusals(_EVERYTHING)}
        for entry in store.journal(limit=_EVERYTHING):
            if entry.state is EntryState.REFUSED and entry.kind != _ANSWER:
                is_seen_to = entry.id in undealt | self._world.ledger.answered
                self._world.trace.count("refusals looked for")
                self._holds("what was refused is shown until it is dealt with", is_seen_to, f"{phone.name}: {entry.id}")
        is_undisturbed = not phone.missing and not self._world.office.restores
        if is_undisturbed:
            pulled = [each.detail for each in store.incidents(1000) if each.kind == "pulled-everything-again"]
            self._holds("in step without starting anew", "not in step" not in pulled, phone.name)
        if not phone.missing:
            at_office = {
                entry.sequence: entry.raw for entry in entries if entry.device == identity.device and entry.position
            }
            recorded = [entry for entry in store.journal(limit=_EVERYTHING) if entry.device == identity.device]
            self._holds(
                "saved is never altered",
                len(recorded) == len(at_office) and set(store.raw_journal()) >= set(at_office.values()),
                f"{phone.name}: {len(recorded)} recorded, {len(at_office)} at the office",
            )
        self._world.trace.count("tickets compared", len(wanted))

    async def _replaying_changes_nothing(self) -> None:
        before = self._fingerprint()
        for sent in self._world.sample:
            if sent.path.startswith("/sync/v1/enrol"):
                continue  # a key asked for again is answered with a new token, by design
            try:
                await self._world.office.serve(sent, Parts(((0.0, sent.body),)), asyncio.Event())
            except OfficeGone:
                self.fails("nothing crashes", "the office died of a message")
                return
            self._world.trace.count("messages replayed")
        for file in tuple(self._world.ledger.rescue_files):
            await self._world.takes_in(file)
        self._holds("replaying changes nothing", self._fingerprint() == before, "the office is not as it was")

    def _fingerprint(self) -> str:
        def look(reading: Reading) -> bytes:
            entries = self._entries(reading)
            latest = reading.feed.latest()
            ids = sorted({entry.ticket for entry in entries if entry.ticket})
            tickets = reading.tickets.by_id(ids)
            heads = reading.journal.heads(sorted({entry.device for entry in entries}))
            return wire.encode([latest, entries, [tickets[each] for each in sorted(tickets)], sorted(heads.items())])

        process = self._world.office.process
        assert process is not None
        photos = sorted(process.photo_files.present(self._world.ledger.photos))
        return hashlib.sha256(self._world.office.look(look) + wire.encode(photos)).hexdigest()


_ANSWER = str(AnswerRefusal.__struct_config__.tag)
"""A technician's answer to a refusal is not itself to be answered."""

_NOT_BY_APPLY = (JournalBroken, NotThisDevice, SequenceTaken, UnknownTechnician)
"""Refusals for what `apply` cannot know."""

_STATES = {
    Filing.APPLIED: {EntryState.ACCEPTED},
    Filing.LATE: {EntryState.LATE},
    Filing.PROPOSAL: {EntryState.PROPOSAL},
    Filing.REFUSED: {EntryState.REFUSED},
}


def _verdict(entry: Entry) -> Verdict:
    verdict = wire.decode_verdict(entry.verdict)
    assert isinstance(verdict, Verdict), entry.id
    return verdict


def _unzipped(answer: Answer) -> bytes:
    return gzip.decompress(answer.body) if (b"content-encoding", b"gzip") in answer.headers else answer.body
