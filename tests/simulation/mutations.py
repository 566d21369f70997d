"""The production code broken in known ways, to show that the simulation notices each: `make mutations`.

A mutation changes the source of one function for as long as it is tried, in a place named exactly, so that it fails
loudly when the code has moved on. Each is tried on one world after another, until an invariant is broken.
"""

import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from field_app.store import clock, database, journal, store, tickets
from field_app.store import photos as phone_photos
from field_app.sync import engine, photo_sender, rescue_file
from shared_schema import wire
from shared_schema.apply import Filing, apply, filing
from shared_schema.identifiers import uuid7
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket
from sync_server.services import desk, operations, photo_files, rescue, rounds, scrubbing
from sync_server.storage import Writing, feed
from sync_server.storage import engine as storage_engine
from sync_server.storage import tickets as office_tickets
from sync_server.sync import uploads
from tests.simulation.world import Result, plan, run


class Change(Struct, frozen=True):
    """In the source of `owner.name`, `old` becomes `new`."""

    owner: Any
    name: str
    old: str
    new: str


class Mutation(Struct, frozen=True):
    name: str
    changes: tuple[Change, ...]


class Tried(Struct, frozen=True):
    mutation: str
    worlds: int
    caught: Result | None
    """None: it survived."""


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """Within this, the production code is not what it should be."""
    with ExitStack() as stack:
        for change in mutation.changes:
            stack.enter_context(patch.object(change.owner, change.name, _rewritten(change)))
        yield


def _rewritten(change: Change) -> Callable[..., Any]:
    function = inspect.unwrap(inspect.getattr_static(change.owner, change.name))
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(change.old) == 1, f"{change.name} has {source.count(change.old)} times: {change.old!r}"
    made: dict[str, Any] = {}
    given = function.__globals__ | {"_renamed": _renamed, "_undone": _undone, "_judged_anew": _judged_anew}
    exec(compile(source.replace(change.old, change.new), f"<{change.name}, broken>", "exec"), given, made)
    rewritten: Callable[..., Any] = made[change.name]
    return rewritten


def try_out(mutation: Mutation, *, most_worlds: int = 40, events: int = 200, first_seed: int = 1) -> Tried:
    """Worlds from the first seed on, until an invariant is broken or there were enough."""
    with broken(mutation):
        for number in range(most_worlds):
            seed = first_seed + number
            result = run(seed, plan(seed, events))
            if result.broken is not None:
                return Tried(mutation.name, number + 1, result)
    return Tried(mutation.name, most_worlds, None)


def _one(name: str, owner: Any, function: str, old: str, new: str) -> Mutation:
    return Mutation(name, (Change(owner, function, old, new),))


MUTATIONS = (
    # -- the office ---------------------------------------------------------------------------------------------------
    _one(
        "the office acknowledges before it has committed",
        storage_engine.Storage,
        "_written",
        "    return await outcome\n",
        "    return _undone(self, work, about)\n",
    ),
    _one(
        "a failing group takes its neighbours with it",
        storage_engine.Storage,
        "_write_group",
        "            pass\n",
        "            for write in group:\n"
        "                try:\n"
        "                    write.tell(_undone(self, write.work, write.about), None)\n"
        "                except Exception as fault:\n"
        "                    write.tell(None, fault)\n"
        "            return\n",
    ),
    _one(
        "the office's database does not wait for the disk",
        storage_engine,
        "_prepare_sqlite",
        "synchronous = FULL",
        "synchronous = OFF",
    ),
    _one("the feed has a gap", feed.Feed, "take", "self._raise(FEED, count)", "self._raise(FEED, count + 1)"),
    _one(
        "leaving the scope is not told",
        operations._Standing,
        "put",
        "self.gone.append((loser, ticket.id, self.judged))",
        "pass",
    ),
    _one(
        "the second operation of a round is judged on the ticket before the first",
        operations._Taking,
        "judge",
        "self._ended_at[after.id] = standing.judged\n",
        "self._ended_at[after.id] = standing.judged\n"
        "            standing.kept[after.id] = before or standing.kept[after.id]\n",
    ),
    _one(
        "the hash of the entry before is not looked at",
        operations._Taking,
        "_judge",
        "if envelope.previous_hash != self._last_hash:",
        "if False:",
    ),
    _one(
        "late evidence is refused",
        operations._Taking,
        "_judge",
        "after = apply(envelope, before.ticket if before else None)\n",
        "after = apply(envelope, before.ticket if before else None)\n"
        "    if isinstance(after, Ticket) and filing(envelope.id, after) is Filing.LATE:\n"
        "        return UnknownTicket()\n",
    ),
    _one(
        "a repeated operation is judged anew",
        operations._Taking,
        "_answer_again",
        "verdicts.append(held.verdict)",
        "verdicts.append(_judged_anew(self._writing, each))",
    ),
    _one(
        "a second click at the desk does it again",
        desk.Desk,
        "_perform",
        "if (known := writing.journal.by_id(operation_id)) is not None:",
        "if (known := None) is not None:",
    ),
    _one(
        "a phone is told that nothing has changed",
        rounds.Rounds,
        "_short_answer",
        "if not standing.scope <= request.cursor <= standing.feed:",
        "if request.cursor == 0:",
    ),
    Mutation(
        "a photo's bytes are not flushed",
        (
            Change(photo_files, "_write_flushed", "os.fsync(handle)", "pass"),
            Change(photo_files.UploadFile, "flush", "os.fsync(self._file.fileno())", "pass"),
        ),
    ),
    Mutation(
        "a photo is not verified",
        (
            Change(
                uploads.Uploads,
                "_receive",
                "elif not secrets.compare_digest(digest.digest(), checksum.digest):",
                "elif False:",
            ),
            Change(photo_files.PhotoFiles, "_finish", "if digest.hexdigest() != sha256:", "if False:"),
            Change(
                photo_files.PhotoFiles, "_take_whole", "if hashlib.sha256(data).hexdigest() != sha256:", "if False:"
            ),
        ),
    ),
    _one(
        "a photo that the disk has altered passes for whole",
        photo_files.PhotoFiles,
        "looked_at",
        "if is_whole else Fault.DAMAGED",
        "",
    ),
    _one(
        "a photo that is gone is not missed",
        scrubbing.PhotoScrub,
        "look_at_some",
        "sorted(expected.difference(names[:done]))",
        "()",
    ),
    _one(
        "nobody is asked for a photo that the disk has damaged",
        scrubbing.PhotoScrub,
        "is_set_back",
        "if device not in self._recalled:",
        "if True:",
    ),
    _one(
        "what came late is not in the desk's queue",
        office_tickets,
        "_progress",
        "late, data = _waits_for_the_desk(ticket), wire",
        "late, data = False, wire",
    ),
    _one("a refusal is not filed for the desk", operations._Taking, "_file", "    if refused:", "    if False:"),
    _one(
        "a technician's answer to a refusal does not reach the desk",
        operations._Taking,
        "_file",
        "    if answers:",
        "    if False:",
    ),
    _one("what is over is never taken off the phone", office_tickets.Tickets, "expire", "if not due:", "if True:"),
    _one("the cursor goes beyond the page", rounds.Rounds, "_answer", "told[-1].position if more else", ""),
    _one("a page is cut inside a position", rounds, "_page", "while end > 1 and", "while False and"),
    _one(
        "an upload that is resumed is said to be complete",
        uploads.Uploads,
        "_how_far",
        "return length, upload",
        "return upload.size_bytes, upload",
    ),
    # -- the phone ----------------------------------------------------------------------------------------------------
    _one(
        "the phone does not flush after its commit",
        database.StoreFile,
        "transaction",
        "self._flush()",
        "pass",
    ),
    _one(
        "the phone's database does not wait for the disk",
        database.StoreFile,
        "_open",
        "synchronous = FULL",
        "synchronous = OFF",
    ),
    _one(
        "an operation gets a new id whenever it is sent",
        journal.Journal,
        "after",
        "chosen.append((sequence, bytes(row[0])))",
        "chosen.append((sequence, _renamed(bytes(row[0]))))",
    ),
    _one(
        "the cursor moves in a transaction of its own, before the changes",
        store.Store,
        "take_reply",
        "    with self._transaction():\n",
        "    with self._transaction():\n"
        "        self._facts.put(facts.CURSOR, reply.cursor)\n"
        "    with self._transaction():\n",
    ),
    _one(
        "the verdict is not kept",
        store.Store,
        "_take_verdict",
        "elif self._journal.answer(verdict, raw, at) is None:",
        "elif False:",
    ),
    _one(
        "what the office has lost is not sent again",
        store.Store,
        "_take_receipt",
        "if through < before:",
        "through = max(through, before)\n    if False:",
    ),
    Mutation(
        "the photos the office has lost are not sent again",
        (
            Change(phone_photos.Photos, "lost_by_office", "SET received_at = NULL,", "SET"),
            Change(phone_photos.Photos, "offer_again", "SET received_at = NULL,", "SET"),
        ),
    ),
    _one(
        "what the phone shows is stored as what the office confirmed",
        tickets.Tickets,
        "put",
        "    self._file.upsert(\n",
        "    ticket = rebase(ticket, self._all_pending().get(ticket.id, ())).ticket or ticket\n"
        "    self._file.upsert(\n",
    ),
    _one(
        "a draft is cleared before its operation is kept",
        store.Store,
        "record",
        "    with self._transaction():\n",
        "    with self._transaction():\n"
        "        for key in clear_drafts:\n"
        '            self._file.write("DELETE FROM drafts WHERE key = ?", (key,))\n'
        "    with self._transaction():\n",
    ),
    _one(
        "a photo's bytes are kept in another transaction than its operation",
        store.Store,
        "record",
        "        for photo in photos:\n",
        "    with self._transaction():\n        for photo in photos:\n",
    ),
    _one(
        "a photo counts as received when it has been begun",
        photo_sender.PhotoSender,
        "_send",
        "if upload.complete:",
        "if upload is not None:",
    ),
    _one(
        "every piece of a photo is read from its beginning",
        photo_sender.PhotoSender,
        "_send_piece",
        "self._store.photo_part(photo.sha256, upload.offset, length)",
        "self._store.photo_part(photo.sha256, 0, length)",
    ),
    _one(
        "withdrawn tickets are never forgotten",
        tickets.Tickets,
        "forget_withdrawn_before",
        "withdrawn_at < ?",
        "withdrawn_at < ? AND 0",
    ),
    _one(
        "the clock's measurements keep their first anchor",
        clock.DeviceClock,
        "take",
        "self._measured, fresh, monotonic",
        "self._measured, fresh, monotonic if self._anchored is None else self._anchored",
    ),
    _one(
        "the phone asks before the office wants to be asked",
        engine.SyncEngine,
        "_pause_after",
        "self._not_before = self._device.monotonic() + wanted\n            return wanted",
        "return UNREACHABLE_SECONDS[0]",
    ),
    _one(
        "the phone does not sign what is new",
        engine.SyncEngine,
        "_head",
        "and (self._signed.sequence, self._signed.hash) == asked.head:",
        ":",
    ),
    _one(
        "a withdrawn ticket keeps the customer's number and address",
        tickets.Tickets,
        "withdraw",
        'replace(ticket, customer=replace(ticket.customer, phone="", address=""))',
        "ticket",
    ),
    _one(
        "what was refused counts as dealt with",
        journal.Journal,
        "answer",
        "settled = ? WHERE",
        "settled = ?, dealt_as = 'withdrawn' WHERE",
    ),
    _one(
        "what the office has under other work's number counts as received",
        store.Store,
        "_take_receipt",
        "through = min(through, asked.entries[-1][0] if asked.entries else before)",
        "through = min(through, last)",
    ),
    _one(
        "the store that a failed update has changed is not put back",
        database.StoreFile,
        "_change_with_copy",
        "self._put_back(str(fault))",
        "self._close()",
    ),
    _one(
        "the newest entry is left out of a rescue file",
        rescue_file,
        "_records",
        "store.journal_after(row, through)",
        "store.journal_after(row, through - 1)",
    ),
    _one(
        "a rescue file brings no photos",
        rescue._TakingIn,
        "take",
        "await self._keep_photo(head, body)",
        "pass",
    ),
    _one(
        "everything is pulled again for ever",
        store.Store,
        "_take_cursor",
        "self._facts.put(facts.PULLING_AGAIN, False)",
        "pass",
    ),
    _one(
        "the phone asks again without a pause",
        engine.SyncEngine,
        "_pause_after",
        "return TURNED_AWAY_SECONDS if outcome.upgrade else IDLE_SECONDS",
        "return 0.2",
    ),
    _one(
        "one failed round ends all syncing",
        engine.SyncEngine,
        "run_forever",
        "        except Exception as fault:",
        "        except ZeroDivisionError as fault:",
    ),
)
"""What is broken, where, and how."""


def _renamed(raw: bytes) -> bytes:
    """The same envelope under another id."""
    return raw[:7] + uuid7(next(_numbers), bytes(10)).encode() + raw[43:]


_numbers = itertools.count(1)


def _undone(storage: Any, work: Any, about: Any) -> Any:
    """What the work would come to, without a commit."""
    with storage._writing.connect() as connection:
        before = connection.begin()
        (result,) = work(Writing(connection), [about])
        before.rollback()
    return result


def _judged_anew(writing: Any, each: Any) -> bytes:
    before = writing.tickets.by_id([each.read.ticket]).get(each.read.ticket)
    after = apply(each.read, before)
    if isinstance(after, Ticket):
        return wire.encode(Verdict(each.id, each.sequence, filing(each.id, after), after.version))
    return wire.encode(Verdict(each.id, each.sequence, Filing.REFUSED, before.version if before else 0, after))
