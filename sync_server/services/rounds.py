"""One exchange with a phone: its operations are received, and it is told what happened in its scope since its cursor.

The operations go through services.operations in one write transaction, and the device's word that its journal is this
one through services.signatures in the same. The answer is read afterwards in one snapshot: how far the journal is held,
the changes, and the cursor they lead to are all of the same moment.

A phone whose protocol is older than the office still tells is heard all the same: what it brings is taken and answered.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from shared_schema import wire
from shared_schema.credentials import Reference
from shared_schema.lifecycle import OVER
from shared_schema.sync_protocol import (
    CHANGES_PER_ROUND,
    OLDEST_PROTOCOL,
    Holding,
    OwnWork,
    PutTicket,
    RoundReply,
    RoundRequest,
    SignedHead,
    WithdrawTicket,
    digest_of_ticket,
    holding,
)
from shared_schema.ticket import Ticket
from sync_server.clock import Clock, milliseconds
from sync_server.services.operations import Brought, OwnChange, Taken, arrived_together, receive_together
from sync_server.services.reference import References
from sync_server.services.signatures import Word, note_words, word_of
from sync_server.storage import Looking, Storage, Values, Writing
from sync_server.storage.people import DeviceIdentity
from sync_server.storage.standing import STANDING, STANDING_AND_SCOPE, Standing, about, standing_of
from sync_server.storage.tickets import CHANGES, SCOPE, FeedRow, scope_in

CHANGES_BYTES = 4 * 2**20
"""Changes of more bytes than this are told in several rounds, so that a slow network gets somewhere."""

_READ_AT_ONCE = 128
"""Rounds whose operations are decoded while they wait to be written: two groups of the writer's. Of 500 phones that
come back together, the others wait as the bytes that came, which take a quarter of the memory."""

_HEADS = 10_000

_NEVER = (-1, None)
_OVER = frozenset(status.value for status in OVER)
_ticket = msgspec.json.Decoder(Ticket).decode


class _Round(Struct, frozen=True):
    """What one phone brings."""

    brought: Brought
    word: Word | None
    """About its journal; None where the same was dealt with earlier."""
    compares: bool = False
    """Whether it has said what it will hold then."""


class _Outcome(Struct, frozen=True):
    """What became of it."""

    taken: Taken
    word_is_settled: bool
    standing: Standing | None
    """As the transaction leaves it, with `scope` as it was before; None where the phone may have to be told of more
    than its own work."""
    scope: str | None = None
    """What belongs on the phone then, to be compared with what it has said it will hold: see `scope_in`."""


_NOTHING = _Outcome(Taken([], {}, 0, None), word_is_settled=True, standing=None)


def _take(writing: Writing, rounds: Sequence[_Round]) -> list[_Outcome]:
    all_taken = receive_together(writing, [each.brought for each in rounds])
    all_noted = iter(note_words(writing, [each.word for each in rounds if each.word is not None]))
    feed, reference = writing.feed.taken_through, writing.feed.reference_revision()
    comparing = [
        each.brought.person.id
        for each, taken in zip(rounds, all_taken, strict=True)
        if each.compares and taken.own_work
    ]
    scopes = writing.tickets.scopes(comparing)
    outcomes: list[_Outcome] = []
    for each, taken in zip(rounds, all_taken, strict=True):
        noted = None if each.word is None else next(all_noted)
        standing = None
        if feed is not None and noted is not None and taken.scope_before is not None:
            standing = Standing(feed, reference, taken.received_through, noted.signed_through, taken.scope_before)
        scope = scopes.get(each.brought.person.id)
        outcomes.append(_Outcome(taken, noted is None or noted.is_settled, standing, scope))
    return outcomes


class Rounds:
    def __init__(
        self,
        storage: Storage,
        references: References,
        clock: Clock,
        may_see: Callable[[Any, Ticket], Ticket | None],
        *,
        oldest_protocol: int = OLDEST_PROTOCOL,
        is_set_back: Callable[[str, int], bool] = lambda _device, _cursor: False,
    ) -> None:
        """`may_see` is accounts.access_ticket: the part of a ticket that an identity may see. Phones that speak an
        older protocol than `oldest_protocol` are told nothing but that they have to be updated. `is_set_back` says of
        a device and its cursor whether it begins anew for a reason of its own: see `_begin_anew`."""
        self._storage = storage
        self._references = references
        self._clock = clock
        self._may_see = may_see
        self._oldest_protocol = oldest_protocol
        self._is_set_back = is_set_back
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)
        self._heads: dict[str, SignedHead] = {}
        """Device → the word about its journal that was dealt with last; it is said again in every round."""
        self._holdings: dict[str, tuple[int, Holding]] = {}
        """Technician → what belongs on the phone since the feed position that changed it last."""
        self._resumed_after = storage.read_now(lambda reading: reading.feed.resumed_after())

    async def prepare(self) -> None:
        """Look up, about nobody, what is looked up for every phone, so that the first need not wait for statements to
        be made, and for what all of them carry to look things up."""
        await self._storage.glance(self._references.look_up)
        for statement in (STANDING, STANDING_AND_SCOPE):
            await self._storage.rows(statement, about("", ""))
        wanted: Values = {"person": "", "cursor": 0, "through": 0, "limit": 0}
        await self._storage.look(lambda looking: (looking.rows(CHANGES, wanted), looking.row(SCOPE, wanted)))

    async def round(self, identity: DeviceIdentity, request: RoundRequest) -> bytes:
        """The RoundReply, encoded."""
        outcome = await self._taken(identity, request)
        is_recalled = self._is_set_back(identity.device, request.cursor)
        is_old = 0 < request.cursor < self._resumed_after
        alone = None if is_recalled or is_old else self._own_work_alone(identity, request, outcome)
        if alone is not None:
            return alone
        taken, verdicts = outcome.taken, outcome.taken.verdicts
        standing = await self._standing(identity, request)
        if request.protocol < self._oldest_protocol:
            return self._encoded(request.protocol, standing, request.cursor, verdicts, in_step=None, upgrade=True)
        if is_recalled or is_old:
            reference = await self._newest_reference(identity, standing)
            if is_recalled or reference is None or reference.version != request.reference:
                return self._begin_anew(request, standing, verdicts, reference)
        short = self._short_answer(identity, request, verdicts, standing)
        if short is not None:
            return short
        if not self._references.are_of(standing.reference):
            await self._storage.glance(self._references.look_up)
        return await self._storage.look(lambda looking: self._answer(looking, identity, request, taken))

    def _begin_anew(
        self, request: RoundRequest, standing: Standing, verdicts: list[bytes], reference: Reference | None
    ) -> bytes:
        """The RoundReply with the cursor set back, which makes the phone take everything anew and offer its photos
        again.

        Where the office was restored from a backup since, what the phone was told may be of the history that was lost.
        With this answer it gets the list that is called otherwise since then: when it names that, its cursor is of a
        page that it was told by this office, however old what stands on the page.
        """
        if reference is not None and reference.version == request.reference:
            reference = None
        return self._encoded(request.protocol, standing, 0, verdicts, more=True, in_step=None, reference=reference)

    async def _newest_reference(self, identity: DeviceIdentity, standing: Standing) -> Reference | None:
        if not self._references.are_of(standing.reference):
            await self._storage.glance(self._references.look_up)
        return await self._storage.look(
            lambda looking: self._references.of(identity.person, looking, standing.reference)
        )

    async def expire(self, after_days: int) -> int:
        """Take tickets that have been over for so many days off their technicians' phones; how many."""
        before_ms = milliseconds(self._clock.now() - timedelta(days=after_days))
        return await self._storage.write(lambda writing: writing.tickets.expire(before_ms, writing.feed))

    async def _taken(self, identity: DeviceIdentity, request: RoundRequest) -> _Outcome:
        """What became of what was brought, once it is committed."""
        head = None if request.head is UNSET else request.head
        is_noted = head is not None and self._heads.get(identity.device) == head
        if not request.ops and (head is None or is_noted):
            return _NOTHING
        at_ms = milliseconds(self._clock.now())
        async with self._reading:
            brought = Brought(identity.device, identity.person, arrived_together(request.ops), at_ms)
            word = None if is_noted else word_of(identity.device, head, at_ms)
            outcome = await self._storage.write_together(_take, _Round(brought, word, request.holding is not None))
        if head is not None and outcome.word_is_settled:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[identity.device] = head
        return outcome

    async def _standing(self, identity: DeviceIdentity, request: RoundRequest) -> Standing:
        person = identity.person.id
        asked = about(identity.device, person)
        if request.holding is None or person in self._holdings:
            (row,) = await self._storage.rows(STANDING, asked)
            return standing_of(row)
        # A phone that has brought its work asks next whether both sides hold the same.
        ((*numbers, found),) = await self._storage.rows(STANDING_AND_SCOPE, asked)
        standing = standing_of(numbers)
        self._remember_holding(person, standing.scope, found)
        return standing

    def _remember_holding(self, person: str, scope: int, found: str | None) -> Holding:
        """What belongs on the technician's phone as of `scope`, the feed position of its newest change, from what SCOPE
        has found."""
        held = holding(scope_in(found))
        self._holdings[person] = (scope, held)
        return held

    def _own_work_alone(self, identity: DeviceIdentity, request: RoundRequest, outcome: _Outcome) -> bytes | None:
        """The RoundReply where all there is to tell is what the phone can work out; None where there may be more.

        It says how things stood when its operations were committed, and nothing has to be looked up for it.
        """
        standing = outcome.standing
        if standing is None or request.works_out is not True or request.protocol < self._oldest_protocol:
            return None
        if not standing.scope <= request.cursor <= standing.feed:
            return None
        reference = self._references.known(identity.person, standing.reference)
        changes = sorted(outcome.taken.own_work.items(), key=lambda change: change[1].position)
        if reference is None or len(changes) > CHANGES_PER_ROUND or not changes:
            return None
        in_step = None
        if request.holding is None:
            self._holdings.pop(identity.person.id, None)
        else:
            newest = changes[-1][1].position
            in_step = _is_in_step(request, self._remember_holding(identity.person.id, newest, outcome.scope))
        return self._encoded(
            request.protocol,
            standing,
            standing.feed,
            outcome.taken.verdicts,
            changes=[_own_work(change.position, ticket, change.ticket) for ticket, change in changes],
            in_step=in_step,
            reference=reference if reference.version != request.reference else None,
        )

    def _short_answer(
        self, identity: DeviceIdentity, request: RoundRequest, verdicts: list[bytes], standing: Standing
    ) -> bytes | None:
        """The RoundReply where there is nothing to tell and nothing to look up; None where there may be."""
        person = identity.person
        if not standing.scope <= request.cursor <= standing.feed:
            return None
        reference = self._references.known(person, standing.reference)
        if reference is None or reference.version != request.reference:
            return None
        in_step = None
        if request.holding is not None:
            scope, held = self._holdings.get(person.id, _NEVER)
            if scope != standing.scope:
                return None
            in_step = _is_in_step(request, held)
        return self._encoded(request.protocol, standing, standing.feed, verdicts, in_step=in_step)

    def _answer(self, looking: Looking, identity: DeviceIdentity, request: RoundRequest, taken: Taken) -> bytes:
        person, verdicts = identity.person, taken.verdicts
        own_work = taken.own_work if request.works_out is True else {}
        standing = standing_of(looking.row(STANDING, about(identity.device, person.id)))
        # A cursor from the future: the database was set back by other means. What it has is told from the beginning.
        cursor = request.cursor if request.cursor <= standing.feed else 0
        rows: list[FeedRow] = []
        if cursor < standing.scope:
            wanted: Values = {
                "person": person.id,
                "cursor": cursor,
                "through": standing.feed,
                "limit": CHANGES_PER_ROUND + 1,
            }
            rows = [FeedRow(*row) for row in looking.rows(CHANGES, wanted)]
        told, more = _page(rows)
        in_step = None
        if request.holding is not None and not rows and cursor == request.cursor:
            (found,) = looking.row(SCOPE, {"person": person.id})
            in_step = _is_in_step(request, self._remember_holding(person.id, standing.scope, found))
        reference = self._references.of(person, looking, standing.reference)
        return self._encoded(
            request.protocol,
            standing,
            told[-1].position if more else standing.feed,
            verdicts,
            changes=[
                _own_work(row.position, row.ticket, own_work[row.ticket].ticket)
                if _is_own_work(row, own_work, cursor)
                else self._change(identity, row)
                for row in told
            ],
            more=more,
            in_step=in_step,
            # Where its sources have changed just now, the next round brings it.
            reference=reference if reference is not None and reference.version != request.reference else None,
        )

    def _encoded(
        self,
        protocol: int,
        standing: Standing,
        cursor: int,
        verdicts: list[bytes],
        *,
        changes: list[Raw] | None = None,
        more: bool = False,
        in_step: bool | None,
        reference: Reference | None = None,
        upgrade: bool = False,
    ) -> bytes:
        return wire.encode(
            RoundReply(
                protocol=protocol,
                server_time_ms=milliseconds(self._clock.now()),
                received_through=standing.received_through,
                cursor=cursor,
                verdicts=[Raw(verdict) for verdict in verdicts],
                changes=changes or [],
                more=more,
                in_step=in_step,
                reference=reference,
                signed_through=standing.signed_through,
                upgrade=upgrade,
            )
        )

    def _change(self, identity: DeviceIdentity, row: FeedRow) -> Raw:
        if row.data is None:
            return Raw(wire.encode(WithdrawTicket(row.position, row.ticket)))
        if row.status not in _OVER:
            return Raw(b'{"change":"put_ticket","position":%d,"ticket":%b}' % (row.position, row.data))
        seen = self._may_see(identity, _ticket(row.data))
        if seen is None:
            return Raw(wire.encode(WithdrawTicket(row.position, row.ticket)))
        return Raw(wire.encode(PutTicket(row.position, seen)))


def _is_own_work(row: FeedRow, own_work: Mapping[str, OwnChange], cursor: int) -> bool:
    """Whether the phone can work it out: it has been told what was before, and nothing came in between or since."""
    change = own_work.get(row.ticket)
    return (
        change is not None and change.before <= cursor and change.position == row.position and row.status not in _OVER
    )


def _own_work(position: int, ticket: str, data: bytes) -> Raw:
    return Raw(wire.encode(OwnWork(position, ticket, digest_of_ticket(data))))


def _is_in_step(request: RoundRequest, held: Holding | None) -> bool | None:
    """What is held here compared with what the phone has said, as a RoundReply says it."""
    if held == request.holding:
        return True
    return None if request.ops else False


def _page(rows: list[FeedRow]) -> tuple[list[FeedRow], bool]:
    """As much as fits one reply, never cut inside one feed position, and whether there is more."""
    end = size = 0
    while end < len(rows) and end < CHANGES_PER_ROUND and size < CHANGES_BYTES:
        size += len(rows[end].data or b"")
        end += 1
    if end == len(rows):
        return rows, False
    while end > 1 and rows[end].position == rows[end - 1].position:
        end -= 1
    return rows[:end], True
