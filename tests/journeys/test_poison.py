"""Operations that the office refuses, in front of one that is good: it gets through, and they stay to be read."""

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing

import msgspec

from field_app.store import EntryState
from shared_schema.operations import FIRST_HASH, AddNote
from tests.builders.phones import Phone
from tests.builders.world import World

POISONED = 1000

POISONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda raw: raw.replace(b'"kind":"add_note"', b'"kind":"measure_humidity"'),
    lambda raw: raw.replace(b'"text":"', rb'"text":"\ud800'),
    lambda raw: raw.replace(b'"text":"', b'"text":NaN,"more":"'),
    lambda raw: raw.replace(b'"text":"', b'"more":' + b"[" * 2_000 + b"]" * 2_000 + b',"text":"'),
    lambda raw: raw.replace(b'"text":"', b'"text":"' + b"x" * 4_001),
    lambda raw: raw.replace(b'"text":"', b'"more":18446744073709551616,"text":"'),
    lambda raw: raw.replace(b'"base_version":', b'"base_version":-'),
    lambda raw: raw.replace(b'"operation":{', b'"operation":7,"x":{'),
)
"""What a newer app, a fault of ours or a worn-out memory may leave in a journal."""


def test_a_thousand_refused_operations_hold_back_none_that_is_good(world: World) -> None:
    """A phone comes out of the cellar with a journal full of what nobody understands, and one note at its end."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone(online=False)
    before = phone.add_note(ticket, "之前")
    assert isinstance(phone.store.record([(ticket, AddNote(f"记 {number}")) for number in range(POISONED)]), list)
    _poison(phone)
    after = phone.add_note(ticket, "之后")
    asked = len(phone.network.requests)
    assert phone.go_online().away is None
    assert [note.text for note in world.server.ticket(ticket).notes] == ["之前", "之后"]
    assert len(phone.network.requests) - asked < 20, "full rounds, not one by one"
    states = {entry.id: entry.state for entry in phone.store.journal(limit=2 * POISONED)}
    assert (states.pop(before), states.pop(after)) == (EntryState.ACCEPTED, EntryState.ACCEPTED)
    assert set(states.values()) == {EntryState.REFUSED}
    assert len(states) == POISONED
    assert phone.store.counts() == msgspec.structs.replace(
        phone.store.counts(), operations=0, photos=0, refused=POISONED
    )
    assert world.server.journal(phone) == phone.store.raw_journal(), "refused, and kept byte for byte"


def _poison(phone: Phone) -> None:
    """Spoil every entry but the first, each in one of the ways, and forge the chain anew."""
    with closing(sqlite3.connect(phone.path)) as file:
        (guard,) = file.execute("SELECT sql FROM sqlite_master WHERE name = 'journal_is_never_altered'").fetchone()
        file.execute("DROP TRIGGER journal_is_never_altered")
        previous = FIRST_HASH
        for row, raw in file.execute("SELECT row, raw FROM journal ORDER BY row").fetchall():
            spoiled = raw if row == 1 else POISONS[row % len(POISONS)](raw)
            assert (spoiled == raw) == (row == 1), raw
            named = msgspec.json.decode(raw, type=_Link).previous_hash
            spoiled = spoiled.replace(named.encode(), previous.encode())
            previous = hashlib.sha256(spoiled).hexdigest()
            file.execute("UPDATE journal SET raw = ?, hash = ? WHERE row = ?", (spoiled, previous, row))
        file.execute(guard)
        file.commit()
    phone.restart()


class _Link(msgspec.Struct):
    previous_hash: str
