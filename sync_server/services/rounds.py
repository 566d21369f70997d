"""One exchange with a phone: its operations are received, and it is told what happened in its scope since its cursor.

The operations go through services.operations in one write transaction, and the device's word that its journal is this
one through services.signatures in the same. The answer is read afterwards in one snapshot: how far the journal is held,
the changes, and the cursor they lead to are all of the same moment.

A phone whose protocol is older than the office still tells is heard all the same: what it brings is taken and answered.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from shared_schema import wire
from shared_schema.credentials import Reference
from shared_schema.lifecycle import OVER
from shared_schema.sync_protocol import (
    CHANGES_PER_ROUND,
    OLDEST_PROTOCOL,
    Holding,
    PutTicket,
    RoundReply,
    RoundRequest,
    SignedHead,
    WithdrawTicket,
    holding,
)
from shared_schema.ticket import Ticket
from sync_server.clock import Clock, milliseconds
from sync_server.services.operations import arrived, receive
from sync_server.services.reference import References
from sync_server.services.signatures import is_right, note_head
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.people import DeviceIdentity
from sync_server.storage.standing import STANDING, Standing, about, standing_of
from sync_server.storage.tickets import FeedRow

CHANGES_BYTES = 4 * 2**20
"""Changes of more bytes than this are told in several rounds, so that a slow network gets somewhere."""

_HEADS = 10_000

_NEVER = (-1, None)
_OVER = frozenset(status.value for status in OVER)
_ticket = msgspec.json.Decoder(Ticket).decode


class Rounds:
    def __init__(
        self,
        storage: Storage,
        references: References,
        clock: Clock,
        may_see: Callable[[Any, Ticket], Ticket | None],
        *,
        oldest_protocol: int = OLDEST_PROTOCOL,
    ) -> None:
        """`may_see` is accounts.access_ticket: the part of a ticket that an identity may see. Phones that speak an
        older protocol than `oldest_protocol` are told nothing but that they have to be updated."""
        self._storage = storage
        self._references = references
        self._clock = clock
        self._may_see = may_see
        self._oldest_protocol = oldest_protocol
        self._heads: dict[str, SignedHead] = {}
        """Device → the word about its journal that was dealt with last; it is said again in every round."""
        self._holdings: dict[str, tuple[int, Holding]] = {}
        """Technician → what belongs on the phone since the feed position that changed it last."""
        self._resumed_after = storage.read_now(lambda reading: reading.feed.resumed_after())

    async def round(self, identity: DeviceIdentity, request: RoundRequest) -> bytes:
        """The RoundReply, encoded."""
        verdicts = await self._taken(identity, request)
        standing = standing_of(await self._storage.row(STANDING, about(identity.device, identity.person.id)))
        if request.protocol < self._oldest_protocol:
            return self._encoded(request.protocol, standing, request.cursor, verdicts, in_step=None, upgrade=True)
        short = self._short_answer(identity, request, verdicts, standing)
        if short is not None:
            return short
        return await self._storage.glance(lambda reading: self._answer(reading, identity, request, verdicts))

    async def expire(self, after_days: int) -> int:
        """Take tickets that have been over for so many days off their technicians' phones; how many."""
        before_ms = milliseconds(self._clock.now() - timedelta(days=after_days))
        return await self._storage.write(lambda writing: writing.tickets.expire(before_ms, writing.feed))

    async def _taken(self, identity: DeviceIdentity, request: RoundRequest) -> list[bytes]:
        """The verdicts on what was brought, once it is committed."""
        head = None if request.head is UNSET else request.head
        is_noted = head is not None and self._heads.get(identity.device) == head
        if not request.ops and (head is None or is_noted):
            return []
        brought = [arrived(raw) for raw in request.ops]
        right = head is not None and not is_noted and is_right(identity.device, head)
        at_ms = milliseconds(self._clock.now())

        def take(writing: Writing) -> tuple[list[bytes], bool]:
            verdicts = receive(writing, identity.device, identity.person, brought, at_ms)
            return verdicts, is_noted or note_head(writing, identity.device, head, right=right, at_ms=at_ms)

        verdicts, settled = await self._storage.write(take)
        if head is not None and settled:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[identity.device] = head
        return verdicts

    def _short_answer(
        self, identity: DeviceIdentity, request: RoundRequest, verdicts: list[bytes], standing: Standing
    ) -> bytes | None:
        """The RoundReply where there is nothing to tell and nothing to look up; None where there may be."""
        person = identity.person
        if not standing.scope <= request.cursor <= standing.feed or request.cursor < self._resumed_after:
            return None
        if not request.reference or self._references.version(person, standing.reference) != request.reference:
            return None
        in_step = None
        if request.holding is not None:
            scope, held = self._holdings.get(person.id, _NEVER)
            if scope != standing.scope:
                return None
            in_step = held == request.holding
        return self._encoded(request.protocol, standing, standing.feed, verdicts, in_step=in_step)

    def _answer(
        self, reading: Reading, identity: DeviceIdentity, request: RoundRequest, verdicts: list[bytes]
    ) -> bytes:
        person = identity.person
        standing = standing_of(reading.row(STANDING, about(identity.device, person.id)))
        if 0 < request.cursor < self._resumed_after:
            # The office was restored from a backup since: what this phone was told may be of the history that was
            # lost. A cursor set back makes it take everything anew, and offer its photos again.
            return self._encoded(request.protocol, standing, 0, verdicts, more=True, in_step=None)
        # A cursor from the future: the database was set back by other means. What it has is told from the beginning.
        cursor = request.cursor if request.cursor <= standing.feed else 0
        rows: list[FeedRow] = []
        if cursor < standing.scope:
            rows = reading.tickets.changes(person.id, cursor, standing.feed, CHANGES_PER_ROUND + 1)
        told, more = _page(rows)
        in_step = None
        if request.holding is not None and not rows and cursor == request.cursor:
            held = holding(reading.tickets.scope(person.id))
            self._holdings[person.id] = (standing.scope, held)
            in_step = held == request.holding
        reference = self._references.of(person, reading, standing.reference)
        return self._encoded(
            request.protocol,
            standing,
            told[-1].position if more else standing.feed,
            verdicts,
            changes=[self._change(identity, row) for row in told],
            more=more,
            in_step=in_step,
            reference=reference if reference.version != request.reference else None,
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
