"""A phone's store on a real file, and an office that is a script: for looking closely at one side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from field_app.actions import Actions, Saved
from field_app.store import Exchange, Identity, JournalEntry, Store, Taken
from shared_schema.apply import Filing
from shared_schema.operations import Clock
from shared_schema.sync_protocol import PROTOCOL, PutTicket, RoundReply, Verdict, WithdrawTicket
from shared_schema.ticket import Ticket
from shared_schema.wire import encode
from tests.builders.clocks import StoryClock
from tests.builders.phones import StoryDevice

CHEN = Identity("device-1", "t-chen", "陈师傅", "token-1")


class Sleeper:
    """Stands in for the engine where nothing is to be sent."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class SinglePhone:
    def __init__(
        self, path: Path, *, flush: Callable[[], None] = lambda: None, identity: Identity = CHEN, seed: int = 0
    ) -> None:
        self.path = path
        self.clock = StoryClock()
        self.device = StoryDevice(self.clock, seed)
        self.flush = flush
        self.open()
        if self.store.identity() is None:
            self.store.enrolled(identity)

    def open(self) -> None:
        self.store = Store.open(
            str(self.path),
            lambda: self.flush(),
            now=self.device.now,
            random_bytes=self.device.random_bytes,
            monotonic=self.device.monotonic,
        )
        self.engine = Sleeper()
        self.actions = Actions(self.store, self.engine)

    def restart(self) -> None:
        self.store.close()
        self.open()

    def given(self, *tickets: Ticket) -> None:
        """The office has put these tickets on this phone."""
        self.hears(puts=tickets)

    def hears(
        self,
        verdicts: Sequence[Verdict | bytes] = (),
        puts: Sequence[Ticket] = (),
        withdraws: Sequence[str] = (),
        raw_changes: Sequence[bytes] = (),
        asked: Exchange | None = None,
        **different: Any,
    ) -> Taken:
        """One reply of the office to everything that was waiting; it has received all of it unless told otherwise.

        `asked`: the reply is to this, and much may have been recorded since.
        """
        asked = asked or self.store.next_exchange()
        usual: dict[str, Any] = {
            "protocol": PROTOCOL,
            "server_time_ms": 0,
            "received_through": self.store.last_sequence(),
            "cursor": asked.cursor + 1,
            "verdicts": [msgspec.Raw(v if isinstance(v, bytes) else encode(v)) for v in verdicts],
            "changes": [
                *(msgspec.Raw(encode(PutTicket(asked.cursor + 1, ticket))) for ticket in puts),
                *(msgspec.Raw(encode(WithdrawTicket(asked.cursor + 1, ticket))) for ticket in withdraws),
                *(msgspec.Raw(raw) for raw in raw_changes),
            ],
        }
        return self.store.take_reply(asked, RoundReply(**(usual | different)), Clock(0, 20))

    def entry(self, operation_id: str) -> JournalEntry:
        return next(entry for entry in self.store.journal() if entry.id == operation_id)

    def incidents(self) -> set[str]:
        return {incident.kind for incident in self.store.incidents()}


def saved(result: object) -> str:
    """The id of the one operation that was saved."""
    assert isinstance(result, Saved), result
    (operation_id,) = result.operation_ids
    return operation_id


def verdict(entry: JournalEntry, filing: Filing = Filing.APPLIED, version: int = 4, **more: Any) -> Verdict:
    return Verdict(entry.id, entry.sequence, filing, version, **more)
