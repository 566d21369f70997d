"""What a technician enters is on the phone for good before it is said to be, or it is said not to be."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from field_app.actions import NotAPicture, Saved, TooLarge
from field_app.state.statement import statement
from field_app.store import StorageUnavailable, Store, StoreTooNew
from field_app.words import Words
from shared_schema import operations as op
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Status
from shared_schema.operations import FIRST_HASH
from shared_schema.rejections import MalformedOperation, MoveNotAllowed, UnknownTicket
from shared_schema.wire import UnreadableOperation, decode_envelope, hash_of
from tests.builders.tickets import a_picture, a_signature, a_statement, an_assigned_ticket
from tests.field_app.single_phone import SinglePhone, saved

TICKET = an_assigned_ticket()


def test_what_was_recorded_is_there_after_the_app_was_opened_again(phone: SinglePhone) -> None:
    """Steps, words and the photo's bytes: all of it, and the ticket shows it."""
    phone.given(TICKET)
    picture = a_picture(50_000)
    phone.actions.accept(TICKET.id)
    phone.actions.add_note(TICKET.id, "  门铃坏了  ")
    phone.actions.add_photo(TICKET.id, picture, PhotoSlot.BEFORE)

    phone.restart()

    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert shown.status is Status.ACCEPTED
    assert shown.notes[0].text == "门铃坏了"
    assert phone.store.photo(shown.photos[0].sha256) == picture
    assert phone.store.counts().operations == 3
    assert phone.store.confirmed(TICKET.id) == TICKET, "what the office confirmed is never mixed with what waits"


def test_the_journal_is_numbered_without_gaps_and_chained(phone: SinglePhone) -> None:
    """Across restarts, too: each envelope names the SHA-256 of the bytes of the one before."""
    phone.given(TICKET)
    for number in range(6):
        phone.actions.add_note(TICKET.id, f"第 {number} 条")
        if number % 2:
            phone.restart()

    previous = FIRST_HASH
    for sequence, raw in enumerate(phone.store.raw_journal(), start=1):
        envelope = decode_envelope(raw)
        assert not isinstance(envelope, UnreadableOperation)
        assert (envelope.sequence, envelope.previous_hash) == (sequence, previous)
        assert envelope.base_version == TICKET.version
        previous = hash_of(raw)


_CHILD = """
import sys
from pathlib import Path
from tests.builders.tickets import a_picture
from tests.field_app.single_phone import SinglePhone, saved
from shared_schema.evidence import PhotoSlot
phone = SinglePhone(Path(sys.argv[1]), seed=int(sys.argv[2]))
ticket = phone.store.tickets()[0].id
for number in range(int(sys.argv[2]), 10_000):
    if number % 3:
        said = saved(phone.actions.add_note(ticket, f"note {number}"))
    else:
        said = saved(phone.actions.add_photo(ticket, a_picture(200_000, seed=number), PhotoSlot.BEFORE))
    sys.stdout.write(said + "\\n")
    sys.stdout.flush()
"""


def test_whatever_was_said_to_be_saved_survives_kill_9(a_phone: Callable[..., SinglePhone]) -> None:
    """A process records and says so; it is killed at an arbitrary moment, three times over. All it said is there."""
    phone = a_phone()
    phone.given(TICKET)
    said: list[str] = []
    for round_number in range(3):
        phone.store.close()
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(phone.path), str(round_number * 1000 + 1)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        said += [child.stdout.readline().strip() for _ in range(10 + 7 * round_number)]
        os.kill(child.pid, signal.SIGKILL)
        said += child.stdout.read().split()
        child.wait()
        child.stdout.close()
        phone.open()

        kept = [entry.id for entry in phone.store.journal(limit=10_000)]
        assert set(said) <= set(kept)
        assert len(kept) - len(said) <= round_number + 1, "at most the one entry under way in each process"
        for photo in phone.store.photo_states():
            data = phone.store.photo(photo.sha256)
            assert data is not None
            assert hashlib.sha256(data).hexdigest() == photo.sha256
            assert photo.operation_id in kept
        previous = FIRST_HASH
        for raw in phone.store.raw_journal():
            envelope = decode_envelope(raw)
            assert not isinstance(envelope, UnreadableOperation)
            assert envelope.previous_hash == previous
            previous = hash_of(raw)


def test_only_the_file_and_its_journal_ever_exist(phone: SinglePhone) -> None:
    """In a browser the handles of exactly these two are opened beforehand; a third could not be made."""
    seen: set[str] = set()

    def look() -> None:
        seen.update(path.name for path in phone.path.parent.iterdir())

    phone.flush = look
    phone.given(*(an_assigned_ticket(number=str(number)) for number in range(50)))
    for number in range(10):
        phone.actions.add_photo(phone.store.tickets()[0].id, a_picture(300_000, seed=number), PhotoSlot.AFTER)
    assert seen == {"store.db", "store.db-journal"}


def test_a_full_disk_is_said_and_costs_nothing_saved_before(phone: SinglePhone) -> None:
    """The photo does not fit any more: the technician is told, the earlier entries stay, and smaller ones still fit."""
    phone.given(TICKET)
    saved(phone.actions.add_note(TICKET.id, "先记一条"))
    connection = phone.store._file._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 8}")
    phone.store.save_draft("note", {"text": "草稿"})

    with pytest.raises(StorageUnavailable):
        phone.actions.add_photo(TICKET.id, a_picture(500_000), PhotoSlot.BEFORE, clear_drafts=["note"])

    assert phone.store.counts().operations == 1
    assert phone.store.draft("note") == {"text": "草稿"}
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert not shown.photos
    saved(phone.actions.add_note(TICKET.id, "再记一条"))
    phone.restart()
    assert [entry.sequence for entry in phone.store.waiting()] == [1, 2]


def test_an_entry_that_could_not_be_flushed_is_not_said_to_be_saved(phone: SinglePhone) -> None:
    """The place's own flush fails: whether it would survive is unknown, so it is not claimed."""
    phone.given(TICKET)

    def fail() -> None:
        raise OSError("no space left on device")

    phone.flush = fail
    with pytest.raises(StorageUnavailable):
        phone.actions.accept(TICKET.id)
    assert phone.engine.woken == 0


def test_a_second_tap_is_turned_away_and_not_recorded(phone: SinglePhone) -> None:
    """The step has been taken already: no proposal and no late evidence comes of a slip of the finger."""
    phone.given(TICKET)
    actions = phone.actions
    for step in (actions.accept, actions.start_travel, actions.arrive):
        assert isinstance(step(TICKET.id), Saved)
        assert isinstance(step(TICKET.id), MoveNotAllowed)
    assert phone.store.counts().operations == 3


def test_nobody_signs_twice(phone: SinglePhone) -> None:
    """The second signature on the same statement is a slip, too."""
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.WORK_DONE, found="老化", done="更换"))
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    sign = (TICKET.id, a_statement(shown), "何女士", 5, "", a_signature())
    saved(phone.actions.sign_off(*sign))
    assert isinstance(phone.actions.sign_off(*sign), MoveNotAllowed)


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_visit_of_many_words_can_be_signed_or_objected_to(phone: SinglePhone, is_signed: bool) -> None:
    """Problem, findings and work each as long as they may be: what the customer is shown holds all three."""
    words = {name: letter * 4000 for name, letter in (("problem", "问"), ("found", "查"), ("done", "修"))}
    visit = an_assigned_ticket(id=TICKET.id, status=Status.WORK_DONE, **words)
    phone.given(visit)
    shown = statement(visit, Words.load("zh_CN"), "陈志远", "上门" * 100)
    if is_signed:
        saved(phone.actions.sign_off(TICKET.id, shown, "何女士", 5, "", a_signature()))
    else:
        saved(phone.actions.raise_objection(TICKET.id, shown, "还在漏水"))
    phone.restart()
    answered = phone.store.ticket(TICKET.id)
    assert answered is not None
    answers = answered.sign_offs if is_signed else answered.objections
    assert [each.statement for each in answers] == [shown]


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_visit_of_many_photos_can_be_signed_or_objected_to(phone: SinglePhone, is_signed: bool) -> None:
    """Of each the customer has seen the small picture, and the signature is over all of them."""
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.WORK_DONE, found="查", done="修"))
    slot = PhotoSlot.AFTER if is_signed else PhotoSlot.OBJECTION
    for seed in range(201):
        saved(phone.actions.add_photo(TICKET.id, b"\xff\xd8\xff" + seed.to_bytes(2, "big"), slot))
    visit = phone.store.ticket(TICKET.id)
    assert visit is not None
    taken = [photo.sha256 for photo in visit.photos]
    shown = statement(visit, Words.load("zh_CN"), "陈志远", "上门")
    if is_signed:
        saved(phone.actions.sign_off(TICKET.id, shown, "何女士", 5, "", a_signature()))
    else:
        saved(phone.actions.raise_objection(TICKET.id, shown, "还在漏水", taken))
    phone.restart()
    answered = phone.store.ticket(TICKET.id)
    assert answered is not None
    named = answered.sign_offs[0].statement.photos if is_signed else answered.objections[0].photos
    assert list(named) == taken


def test_what_the_office_could_not_read_is_never_recorded(phone: SinglePhone) -> None:
    """Empty or endless words are refused on the phone, where the person who typed them can still do something."""
    phone.given(TICKET)
    for text in ("", "   ", "字" * 4001):
        assert phone.actions.add_note(TICKET.id, text) == MalformedOperation("$.operation.text")
    assert phone.store.counts().operations == 0


def test_half_a_character_does_not_stop_a_note(phone: SinglePhone) -> None:
    """Keyboards and cuts leave halves of surrogate pairs; JSON has no place for them."""
    phone.given(TICKET)
    saved(phone.actions.add_note(TICKET.id, "好\ud83d 的 \ud83d\ude00"))
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert shown.notes[0].text == "好\ufffd 的 😀"


def test_all_operations_of_one_call_are_kept_or_none(phone: SinglePhone) -> None:
    """The second one does not fit: the first is not recorded either."""
    phone.given(TICKET)
    assert isinstance(
        phone.store.record([(TICKET.id, op.AcceptTicket()), (TICKET.id, op.Arrive())]),
        MoveNotAllowed,
    )
    assert phone.store.counts().operations == 0
    recorded = phone.store.record([(TICKET.id, op.AcceptTicket()), (TICKET.id, op.StartTravel())])
    assert isinstance(recorded, list)
    assert [entry.sequence for entry in recorded] == [1, 2]


def test_a_ticket_nobody_gave_this_phone_is_unknown(phone: SinglePhone) -> None:
    assert phone.actions.accept(TICKET.id) == UnknownTicket()


def test_what_is_no_picture_or_too_large_is_not_taken(phone: SinglePhone) -> None:
    """By its first bytes, whatever its name says."""
    phone.given(TICKET)
    add = phone.actions.add_photo
    assert add(TICKET.id, b"<svg onload=alert(1)>", PhotoSlot.BEFORE) == NotAPicture()
    assert add(TICKET.id, b"", PhotoSlot.BEFORE) == NotAPicture()
    assert isinstance(add(TICKET.id, b"\xff\xd8\xff" + bytes(30_000_000), PhotoSlot.BEFORE), TooLarge)
    for head in (b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP"):
        assert isinstance(add(TICKET.id, head + bytes(100), PhotoSlot.AFTER), Saved)


def test_the_same_picture_twice_is_two_entries_and_is_kept_once(phone: SinglePhone) -> None:
    phone.given(TICKET)
    for slot in (PhotoSlot.BEFORE, PhotoSlot.AFTER):
        saved(phone.actions.add_photo(TICKET.id, a_picture(), slot))
    assert phone.store.counts().operations == 2
    assert phone.store.counts().photos == 1


def test_a_draft_ends_in_the_transaction_that_records_it(phone: SinglePhone) -> None:
    """It is there after the app died, and until the moment when the entry is."""
    phone.given(TICKET)
    key = f"{TICKET.id}/note"
    phone.store.save_draft(key, {"text": "门铃"})
    phone.restart()
    assert phone.store.draft(key) == {"text": "门铃"}
    assert isinstance(phone.actions.add_note(TICKET.id, "", clear_drafts=[key]), MalformedOperation)
    assert phone.store.draft(key) == {"text": "门铃"}
    saved(phone.actions.add_note(TICKET.id, "门铃坏了", clear_drafts=[key]))
    assert phone.store.draft(key) is None


def test_a_saved_action_wakes_the_engine_and_a_refused_one_does_not(phone: SinglePhone) -> None:
    phone.given(TICKET)
    phone.actions.accept(TICKET.id)
    assert phone.engine.woken == 1
    phone.actions.accept(TICKET.id)
    assert phone.engine.woken == 1


def test_listeners_hear_of_every_change_until_they_stop(phone: SinglePhone) -> None:
    heard: list[int] = []
    stop = phone.store.on_change(lambda: heard.append(phone.store.counts().operations))
    phone.given(TICKET)
    phone.actions.accept(TICKET.id)
    stop()
    phone.actions.start_travel(TICKET.id)
    assert heard == [0, 1]


def test_what_is_saved_is_said_to_be_saved_whatever_becomes_of_those_who_hear_of_it(phone: SinglePhone) -> None:
    """The last of the room went into this photo, and there is none for what somebody wants to note because of it: who
    took it must not be asked to take it once more."""
    phone.given(TICKET)

    def notes() -> None:
        connection = phone.store._file._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        phone.store.set_setting("about-the-photo", "x" * 100_000)

    phone.store.on_change(notes)
    heard: list[int] = []
    phone.store.on_change(lambda: heard.append(1))
    saved(phone.actions.add_photo(TICKET.id, a_picture(), PhotoSlot.BEFORE))
    assert heard
    assert phone.store.counts().photos == 1


def test_a_form_whose_words_were_all_taken_out_again_is_no_draft(phone: SinglePhone) -> None:
    key = f"note:{TICKET.id}"
    phone.store.save_draft(key, {"text": "门"})
    phone.store.save_draft(key, {"text": "", "strokes": [], "rating": 0})
    assert phone.store.draft(key) is None
    assert phone.store.held().drafts == 0


def test_a_picture_damaged_on_the_phone_is_made_whole_by_the_same_picture(phone: SinglePhone) -> None:
    """Chosen once more from the album."""
    phone.given(TICKET)
    picture = a_picture(50_000)
    saved(phone.actions.add_photo(TICKET.id, picture, PhotoSlot.BEFORE))
    with phone.store._file.transaction():
        phone.store._file.write("UPDATE photo_bytes SET bytes = ?", (picture[:-1] + b"x",))
    saved(phone.actions.add_photo(TICKET.id, picture, PhotoSlot.AFTER))
    assert phone.store.photo(hashlib.sha256(picture).hexdigest()) == picture


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_journal_can_be_neither_shortened_nor_altered(phone: SinglePhone) -> None:
    """Not by a bug in later code either: the file itself refuses."""
    phone.given(TICKET)
    phone.actions.accept(TICKET.id)
    connection = phone.store._file._connection
    assert connection is not None
    for forbidden in ("DELETE FROM journal", "UPDATE journal SET raw = x''", "UPDATE journal SET sequence = 7"):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(forbidden)


def test_a_store_of_a_newer_app_is_left_as_it_is(phone: SinglePhone) -> None:
    """An old app out of a browser's cache must not write into what a newer one has made."""
    phone.given(TICKET)
    phone.store.close()
    with sqlite3.connect(phone.path) as file:
        file.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('field_app', 'van_stock', '')"
        )
    file.close()
    before = phone.path.read_bytes()
    with pytest.raises(StoreTooNew, match="van_stock"):
        phone.open()
    assert phone.path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(phone: SinglePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a step is no step: the app that knows only the earlier ones opens it as before."""
    from sqlite_utils import Database, Migrations

    from field_app.store import migrations as steps

    phone.given(TICKET)
    phone.actions.accept(TICKET.id)
    phone.store.close()
    newer = Migrations("field_app")
    newer()(steps.first_tables)

    @newer()
    def a_broken_step(database: Database) -> None:
        database.execute("ALTER TABLE tickets ADD COLUMN colour TEXT")
        database.execute("UPDATE journal SET raw = x''")

    with monkeypatch.context() as patched:
        patched.setattr(steps, "migrations", newer)
        patched.setattr(steps, "NAMES", steps.NAMES | {"a_broken_step"})
        with pytest.raises(StorageUnavailable):
            phone.open()

    phone.open()
    assert phone.store.counts().operations == 1
    columns = phone.store._file.rows("SELECT name FROM pragma_table_info('tickets')")
    assert ("colour",) not in columns


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is somebody's letter, not a database" * 100)
    before = path.read_bytes()
    with pytest.raises(StorageUnavailable):
        Store.open(str(path), lambda: None)
    assert path.read_bytes() == before


def test_importing_the_store_opens_nothing_and_stays_cheap() -> None:
    """sqlite_utils takes a second to import in a browser: it is paid when a store is opened, not before."""
    code = "import sys, field_app.store, field_app.sync, field_app.actions;print('sqlite_utils' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout == "False\n"
