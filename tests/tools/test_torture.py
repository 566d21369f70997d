"""A short run of `make torture`, and what its judge says of files that have lost something.

How long it takes depends on the machine, and nothing is measured. What it proves is in the judge's hands: so each thing
it looks for is taken away once, and must be missed.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tools.torture.judge import Judge
from tools.torture.killing import Killed, Torture
from tools.torture.report import section

KILLS = 12


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    torture = Torture(tmp_path_factory.mktemp("torture"), seed=11)
    torture.run(KILLS)
    return torture


def test_nothing_saved_or_received_is_lost_when_processes_are_killed(torture: Torture) -> None:
    """Office and phones, by SIGKILL, on a network that fails; twelve times here, five hundred in the recorded run."""
    outcome = torture.outcome
    assert outcome.faults == []
    assert outcome.kills >= KILLS
    assert outcome.office_kills + outcome.phone_kills == outcome.kills
    assert outcome.looked.integrity_checks >= KILLS
    assert 0 < outcome.looked.acknowledged <= outcome.looked.operations
    assert outcome.looked.photos > 0


def test_the_report_counts_the_kills_and_says_what_was_not_reached(torture: Torture) -> None:
    figures = {figure.what: figure for figure in section(torture.outcome).figures}
    killed = figures["processes killed by SIGKILL: office + phones"]
    assert killed.figure.startswith(f"{torture.outcome.kills}:")
    assert killed.holds is False, "twelve are not five hundred"
    lost = section(Killed(1, kills=500, faults=["one is gone"])).figures
    assert [figure.holds for figure in lost if figure.goal] == [True, False, False, False, False]


# -- the judge -----------------------------------------------------------------------------------------------------


class Ruin:
    """A copy of what the run has left, to be spoiled."""

    def __init__(self, torture: Torture, folder: Path) -> None:
        shutil.copytree(torture.data, folder / "office")
        self.office = folder / "office" / "doorstep.db"
        self.phone = replace(torture.known[0], store=folder / "phone.db", saved_looked_at=0, photos_received=set())
        shutil.copy(torture.known[0].store, self.phone.store)
        self.judge = Judge(folder / "office", [self.phone])

    def change(self, file: Path, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(file)) as database:
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            assert database.execute(statement, values).rowcount == 1
            database.commit()

    @property
    def saved(self) -> str:
        return self.phone.saved[-1][0]

    @property
    def photo(self) -> str:
        return next(photo for _, photo in self.phone.saved if photo != "-")

    def photo_file(self) -> Path:
        return self.office.parent / "photos" / self.photo[:2] / self.photo


@pytest.fixture
def ruin(torture: Torture, tmp_path: Path) -> Ruin:
    return Ruin(torture, tmp_path)


def judged(ruin: Ruin) -> list[str]:
    """What the judge says after the death of the phone, the death of the office, and in the end."""
    ruin.judge.phone_died(ruin.phone)
    ruin.judge.office_died()
    ruin.judge.settled()
    return ruin.judge.faults


def test_what_is_whole_is_found_whole(ruin: Ruin) -> None:
    assert judged(ruin) == []


def _forget_entry(ruin: Ruin) -> None:
    ruin.change(ruin.phone.store, "DELETE FROM journal WHERE id = ?", ruin.saved)


def _damage_photo(ruin: Ruin) -> None:
    ruin.change(ruin.phone.store, "UPDATE photo_bytes SET bytes = zeroblob(9) WHERE sha256 = ?", ruin.photo)


def _alter_entry(ruin: Ruin) -> None:
    statement = "UPDATE journal SET raw = CAST(replace(CAST(raw AS TEXT), '}', '} ') AS BLOB) WHERE id = ?"
    ruin.change(ruin.phone.store, statement, ruin.saved)


def _spoil_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in range(4096 * 3, len(content), 4096):
        content[place : place + 200] = b"\xa5" * 200
    file.write_bytes(content)


def _forget_operation(ruin: Ruin) -> None:
    ruin.change(ruin.office, "DELETE FROM operations WHERE id = ?", ruin.saved)


def _take_twice(ruin: Ruin) -> None:
    statement = (
        "INSERT INTO set_aside (device, sequence, hash, id, ticket, received_at_ms, verdict, raw)"
        " SELECT device, sequence, 'x', id, ticket, received_at_ms, verdict, raw FROM operations WHERE id = ?"
    )
    ruin.change(ruin.office, statement, ruin.saved)


def _judge_otherwise(ruin: Ruin) -> None:
    ruin.change(ruin.office, "UPDATE operations SET verdict = CAST('{}' AS BLOB) WHERE id = ?", ruin.saved)


def _lose_ticket(ruin: Ruin) -> None:
    ruin.change(ruin.office, "DELETE FROM tickets WHERE id = (SELECT max(id) FROM tickets)")


def _cut_photo(ruin: Ruin) -> None:
    ruin.photo_file().write_bytes(ruin.photo_file().read_bytes()[:-1])


def _wait_for_ever(ruin: Ruin) -> None:
    ruin.change(ruin.phone.store, "UPDATE journal SET state = 'waiting', verdict = NULL WHERE id = ?", ruin.saved)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_forget_entry, "was called saved and is gone"),
        (_damage_photo, "was called saved and is not whole"),
        (_alter_entry, "the office's journal is not the phone's"),
        (lambda ruin: _spoil_pages(ruin.phone.store), "phone.db cannot be read"),
        (lambda ruin: _spoil_pages(ruin.office), "office cannot be read"),
        (_forget_operation, "and holds"),
        (_take_twice, "more than once"),
        (_judge_otherwise, "its verdict here is not the one at the office"),
        (_lose_ticket, "is not what the feed makes of it"),
        (_cut_photo, "said to hold the photo"),
        (_cut_photo, "is not at the office, byte for byte"),
        (_wait_for_ever, "is waiting"),
    ],
)
def test_what_is_lost_is_missed(ruin: Ruin, spoil: Callable[[Ruin], None], said: str) -> None:
    spoil(ruin)
    assert any(said in fault for fault in judged(ruin)), ruin.judge.faults


def test_an_entry_that_breaks_the_row_is_seen(ruin: Ruin) -> None:
    """One in the middle is taken away: those behind it name a hash that is no longer there."""
    ruin.change(ruin.phone.store, "DELETE FROM journal WHERE sequence = 2")
    ruin.phone.saved = []
    assert any("the journal breaks at 2" in fault for fault in judged(ruin))
