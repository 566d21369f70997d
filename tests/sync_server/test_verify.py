"""`doorstep verify`: a sound office is called sound, and whatever is taken out of it or altered is found."""

import asyncio
import errno
import hashlib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shared_schema.evidence import PhotoSlot
from shared_schema.operations import AcceptTicket, AddNote, AddPhoto, CancelTicket
from sync_server.__main__ import main
from sync_server.backup_commands import FAILED, SENTENCES, UNSOUND, sentence
from sync_server.sample import demo
from sync_server.services.photo_files import NotAPicture, PhotoFiles, Stored
from sync_server.services.verification import Finding, Note, Problem, Verification, verify
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.storage.attention import RescuedOperation
from sync_server.storage.uploads import BEGIN, StoredUpload, UploadState, begun_row
from tests.builders.signing import a_signed_head, a_signing_key
from tests.builders.tickets import a_picture
from tests.repository.sources import ROOT
from tests.sync_server.office import CHEN, WANG, Office, StandingClock, new_id

Said = Callable[..., tuple[int, list[str], str]]
"""Words typed → exit status, lines on standard output, standard error."""

PHOTO = a_picture(2_000)
SHA256 = hashlib.sha256(PHOTO).hexdigest()
NO_PICTURE = b"no picture at all"
ASIDE = hashlib.sha256(NO_PICTURE).hexdigest()
WAITING = b"brought by a rescue file"
BEHIND_A_GAP = RescuedOperation("phone-t-chen", 9, hashlib.sha256(WAITING).hexdigest(), "", None, 5, WAITING)
HELD = hashlib.sha256(b"still on the phone").hexdigest()


def checked(storage: Storage, data: Path, *, hashes: bool = True) -> Verification:
    return verify(storage, data, tell=lambda _stage, _done, _of: None, hashes=hashes)


def fill(office: Office, data: Path) -> str:
    """Two phones' journals with everything a journal can hold, photos in every state; the ticket of the first."""
    ticket = office.assigned(CHEN)
    over = office.assigned(WANG)
    office.decide(over, CancelTicket("客户取消"))
    chen, wang = office.phone(CHEN), office.phone(WANG)
    chen.write(ticket, AcceptTicket())
    chen.write(ticket, AddNote("门铃坏了"))
    chen.write(ticket, AddPhoto(SHA256, len(PHOTO), "image/jpeg", PhotoSlot.BEFORE))
    chen.write(ticket, AddPhoto(HELD, 18, "image/jpeg", PhotoSlot.AFTER))
    chen.write(over, AddNote("不是我的"))  # refused
    chen.write(ticket, AddNote("未来")).decode()
    chen.journal.raw[-1] = chen.journal.raw[-1].replace(b'"kind":"add_note"', b'"kind":"scan_barcode"')
    chen.write(ticket, AddNote("接着写"))
    chen.sync()
    chen.ask([chen.journal.raw[0].replace(b'"accept_ticket"', b'"start_travel"')])  # set aside
    head = a_signed_head(a_signing_key(), chen.journal.device, 7, chen.journal.raw[6])
    assert chen.ask(protocol=2, head=head).signed_through == 7
    office.storage.write_now(lambda writing: writing.attention.keep_waiting([BEHIND_A_GAP]))
    wang.write(over, AddNote("晚到的"))
    wang.write(over, AddNote("改过的"), previous_hash="f" * 64)
    wang.sync()
    wang.ask(protocol=2, head=replace(head, sequence=2))
    office.storage.write_now(lambda writing: writing.tickets.expire(2_000_000_000_000, writing.feed))
    files = PhotoFiles(data)
    assert isinstance(asyncio.run(files.store(PHOTO)), Stored)
    assert isinstance(asyncio.run(files.store(NO_PICTURE)), NotAPicture)
    files.close()
    for sha256, size, state in (
        (SHA256, len(PHOTO), UploadState.RECEIVED),
        (ASIDE, len(NO_PICTURE), UploadState.SET_ASIDE),
    ):
        upload = StoredUpload(
            id=new_id().replace("-", ""),
            device=chen.journal.device,
            person=CHEN.id,
            sha256=sha256,
            size_bytes=size,
            state=state,
            begun_at_ms=0,
            expires_at_ms=1,
        )
        office.storage.write_now(lambda writing, upload=upload: writing.execute(BEGIN, [begun_row(upload)]))  # type: ignore[misc]
    return ticket


@pytest.fixture
def data(office: Office, settings: Settings) -> Path:
    fill(office, settings.data)
    return settings.data


def test_an_office_in_use_is_sound_and_what_is_still_on_phones_is_told(storage: Storage, data: Path) -> None:
    found = checked(storage, data)
    assert found.problems == ()
    assert [(note.what, note.about, note.detail) for note in found.notes] == [
        (Note.JOURNAL_FLAGGED, "phone-t-wang", "1"),
        (Note.SIGNATURE_DOUBTED, "phone-t-wang", "wrong"),
        (Note.OPERATIONS_WAITING, "phone-t-chen", "1"),
        (Note.PHOTOS_AWAITED, "phone-t-chen", "1"),
    ]
    assert (found.operations, found.journals, found.tickets, found.photos) == (16, 3, 2, 1)


def test_it_is_the_same_on_postgresql(any_storage: Storage, tmp_path: Path, clock: StandingClock) -> None:
    office = Office(any_storage, clock, None)  # type: ignore[arg-type]
    for _ in range(3):
        office.assigned(CHEN)
    found = checked(any_storage, tmp_path)
    assert (found.findings, found.operations, found.tickets) == ((), 9, 3)


def test_the_sample_company_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make demo` fills."""
    demo.prepare(Settings(data=tmp_path / "demo"))
    assert main(["verify", "--data", str(tmp_path / "demo")]) == 0
    assert "sound: " in capsys.readouterr().out


# -- what is found ----------------------------------------------------------------------------------------------------


def sql(*statements: str) -> Callable[[Path], None]:
    def spoil(data: Path) -> None:
        with sqlite3.connect(data / "doorstep.db") as file:
            for statement in statements:
                assert file.execute(statement).rowcount > 0, statement
        file.close()

    return spoil


def replaced(table: str, column: str, old: str, new: str, where: str) -> Callable[[Path], None]:
    text = f"CAST({column} AS TEXT)"
    return sql(
        f"UPDATE {table} SET {column} = CAST(replace({text}, '{old}', '{new}') AS BLOB)"
        f" WHERE {where} AND instr({text}, '{old}')"
    )


def photo(data: Path) -> Path:
    return data / "photos" / SHA256[:2] / SHA256


def _rewrite_last_note(data: Path, old: str, new: str) -> None:
    """As somebody would who knows about the hashes, but has not got the phone's key."""
    with sqlite3.connect(data / "doorstep.db") as file:
        (raw,) = file.execute(f"SELECT raw FROM operations WHERE {CHEN_S} AND sequence = 7").fetchone()
        raw = raw.replace(old.encode(), new.encode())
        hash_ = hashlib.sha256(raw).hexdigest()
        file.execute(f"UPDATE operations SET raw = ? WHERE {CHEN_S} AND sequence = 7", (raw,))
        file.execute(f"UPDATE journals SET last_hash = ?, signed_hash = ? WHERE {CHEN_S}", (hash_, hash_))
    file.close()


class Spoilt(Struct, frozen=True):
    how: Callable[[Path], object]
    problem: Problem


CHEN_S = "device = 'phone-t-chen'"

SPOILT = {
    "a row points to nothing": Spoilt(
        sql("UPDATE devices SET person = 'nobody' WHERE id = 'phone-t-chen'"), Problem.DATABASE_DAMAGED
    ),
    "an upload is in no state": Spoilt(sql("UPDATE uploads SET state = 'x'"), Problem.DATABASE_DAMAGED),
    "a fault is none": Spoilt(sql("UPDATE journals SET signature_fault = 'x'"), Problem.DATABASE_DAMAGED),
    "bytes have become text": Spoilt(
        sql("UPDATE operations SET raw = 'x' WHERE position = 3"), Problem.DATABASE_DAMAGED
    ),
    "text is no text": Spoilt(
        sql("UPDATE operations SET ticket = CAST(X'FF' AS TEXT) WHERE position = 3"), Problem.DATABASE_DAMAGED
    ),
    "a number is text": Spoilt(
        sql("UPDATE operations SET sequence = 'x' WHERE position = 3"), Problem.DATABASE_DAMAGED
    ),
    "an operation is gone from the feed": Spoilt(sql("DELETE FROM operations WHERE position = 2"), Problem.FEED_GAP),
    "a withdrawal is gone from the feed": Spoilt(sql("DELETE FROM withdrawals"), Problem.FEED_COUNTER),
    "the counter was set forward": Spoilt(
        sql("UPDATE counters SET value = value + 1 WHERE name = 'feed'"), Problem.FEED_COUNTER
    ),
    "the counter was set back": Spoilt(
        sql("UPDATE counters SET value = value - 1 WHERE name = 'feed'"), Problem.FEED_COUNTER
    ),
    "an entry is gone from a journal": Spoilt(
        sql(f"DELETE FROM operations WHERE {CHEN_S} AND sequence = 2"), Problem.JOURNAL_GAP
    ),
    "the last entry is gone from a journal": Spoilt(
        sql(f"DELETE FROM operations WHERE {CHEN_S} AND sequence = 7"), Problem.JOURNAL_HEAD
    ),
    "the head was set forward": Spoilt(
        sql(f"UPDATE journals SET received_through = 8 WHERE {CHEN_S}"), Problem.JOURNAL_HEAD
    ),
    "the head names another hash": Spoilt(
        sql(f"UPDATE journals SET last_hash = '{'0' * 64}' WHERE {CHEN_S}"), Problem.JOURNAL_HEAD
    ),
    "a whole journal is gone": Spoilt(sql(f"DELETE FROM operations WHERE {CHEN_S}"), Problem.JOURNAL_HEAD),
    "a device is gone": Spoilt(sql("DELETE FROM devices WHERE id = 'phone-t-chen'"), Problem.JOURNAL_OF_NOBODY),
    "words of a note were changed": Spoilt(
        replaced("operations", "raw", "门铃坏了", "门铃很好", CHEN_S), Problem.CHAIN_BROKEN
    ),
    "words of the last note were changed": Spoilt(
        replaced("operations", "raw", "接着写", "接着改", CHEN_S), Problem.JOURNAL_HEAD
    ),
    "an entry is filed under another ticket": Spoilt(
        sql(f"UPDATE operations SET ticket = 'other' WHERE {CHEN_S} AND sequence = 2"), Problem.ENTRY_MISFILED
    ),
    "an entry is filed under another id": Spoilt(
        sql(f"UPDATE operations SET id = 'other' WHERE {CHEN_S} AND sequence = 2"), Problem.ENTRY_MISFILED
    ),
    "an entry set aside was changed": Spoilt(sql("UPDATE set_aside SET raw = X'7B7D'"), Problem.ENTRY_MISFILED),
    "a verdict speaks of another operation": Spoilt(
        sql(
            f"UPDATE operations SET verdict = (SELECT verdict FROM operations WHERE {CHEN_S} AND sequence = 1)"
            f" WHERE {CHEN_S} AND sequence = 2"
        ),
        Problem.VERDICT_WRONG,
    ),
    "a verdict cannot be read": Spoilt(
        sql(f"UPDATE operations SET verdict = X'00' WHERE {CHEN_S} AND sequence = 2"), Problem.VERDICT_WRONG
    ),
    "what was set aside was accepted": Spoilt(
        sql(f"UPDATE set_aside SET verdict = (SELECT verdict FROM operations WHERE {CHEN_S} AND sequence = 1)"),
        Problem.VERDICT_WRONG,
    ),
    "a signature was altered": Spoilt(
        sql(f"UPDATE journals SET signature = zeroblob(64) WHERE {CHEN_S}"), Problem.SIGNATURE_WRONG
    ),
    "a signature is said to be of more": Spoilt(
        sql(f"UPDATE journals SET signed_through = 8 WHERE {CHEN_S}"), Problem.SIGNATURE_WRONG
    ),
    "a signature is said to be of less": Spoilt(
        sql(f"UPDATE journals SET signed_through = 6 WHERE {CHEN_S}"), Problem.SIGNATURE_WRONG
    ),
    "a device was given another key": Spoilt(
        sql(f"UPDATE device_keys SET key = zeroblob(32) WHERE {CHEN_S}"), Problem.SIGNATURE_WRONG
    ),
    "words were changed and the chain made anew": Spoilt(
        lambda data: _rewrite_last_note(data, "接着写", "接着改"), Problem.SIGNATURE_WRONG
    ),
    "a refusal is gone from the queue": Spoilt(
        sql(f"DELETE FROM refusals WHERE {CHEN_S} AND sequence = 5"), Problem.REFUSAL_MISFILED
    ),
    "one set aside is gone from the queue": Spoilt(
        sql("DELETE FROM refusals WHERE position = 0"), Problem.REFUSAL_MISFILED
    ),
    "a refusal is of nothing": Spoilt(
        sql(f"UPDATE refusals SET sequence = 2 WHERE {CHEN_S} AND sequence = 5"), Problem.REFUSAL_MISFILED
    ),
    "what a rescue file brought has rotted": Spoilt(
        sql("UPDATE rescued_operations SET raw = X'00'"), Problem.RESCUED_DAMAGED
    ),
    "an operation was accepted twice": Spoilt(
        sql(
            f"UPDATE operations SET id = (SELECT id FROM operations WHERE {CHEN_S} AND sequence = 1)"
            f" WHERE {CHEN_S} AND sequence = 2"
        ),
        Problem.APPLIED_TWICE,
    ),
    "a verdict says another version": Spoilt(
        replaced("operations", "verdict", '"version":5', '"version":9', CHEN_S), Problem.REPLAY_DIFFERS
    ),
    "a refusal was turned into an acceptance": Spoilt(
        replaced("operations", "verdict", '"refused"', '"applied"', f"{CHEN_S} AND sequence = 5"),
        Problem.REPLAY_DIFFERS,
    ),
    "an acceptance was turned into a refusal": Spoilt(
        replaced("operations", "verdict", '"applied"', '"refused"', f"{CHEN_S} AND sequence = 1"),
        Problem.TICKET_DIFFERS,
    ),
    "a note was changed on the ticket": Spoilt(
        replaced("tickets", "data", "门铃坏了", "门铃很好", "1"), Problem.TICKET_DIFFERS
    ),
    "a ticket cannot be read": Spoilt(sql("UPDATE tickets SET data = X'7B7D'"), Problem.TICKET_DIFFERS),
    "a ticket is no text": Spoilt(sql("UPDATE tickets SET data = X'7B226964223A22FF227D'"), Problem.TICKET_DIFFERS),
    "a ticket is gone": Spoilt(sql("DELETE FROM tickets WHERE technician = 't-chen'"), Problem.TICKET_MISSING),
    "the operations of a ticket are gone": Spoilt(
        sql("DELETE FROM operations WHERE ticket = (SELECT max(id) FROM tickets)"), Problem.TICKET_UNEXPLAINED
    ),
    "a ticket is filed under another status": Spoilt(
        sql("UPDATE tickets SET status = 'closed' WHERE technician = 't-chen'"), Problem.TICKET_MISFILED
    ),
    "a ticket is not found by its words": Spoilt(sql("UPDATE tickets SET search = ''"), Problem.TICKET_MISFILED),
    "a ticket stands elsewhere in the feed": Spoilt(
        sql("UPDATE tickets SET position = position - 1"), Problem.TICKET_MISFILED
    ),
    "a photo is gone": Spoilt(lambda data: photo(data).unlink(), Problem.PHOTO_MISSING),
    "a photo has rotted": Spoilt(
        lambda data: photo(data).write_bytes(PHOTO.replace(b"\xff\xd8", b"\xff\xd9", 1)), Problem.PHOTO_DAMAGED
    ),
    "a photo was cut short": Spoilt(lambda data: photo(data).write_bytes(PHOTO[:100]), Problem.PHOTO_DAMAGED),
    "a photo was damaged, and is nowhere else": Spoilt(
        lambda data: photo(data).rename(data / "damaged" / f"{SHA256}-1"), Problem.PHOTO_DAMAGED
    ),
    "a photo has another size than was received": Spoilt(
        sql(f"UPDATE uploads SET size_bytes = 1 WHERE sha256 = '{SHA256}'"), Problem.PHOTO_OF_OTHER_SIZE
    ),
    "what was set aside is gone": Spoilt(lambda data: (data / "set-aside" / ASIDE).unlink(), Problem.SET_ASIDE_MISSING),
    "what was set aside has rotted": Spoilt(
        lambda data: (data / "set-aside" / ASIDE).write_bytes(b"x"), Problem.SET_ASIDE_DAMAGED
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_what_was_taken_out_or_altered_is_found(storage: Storage, data: Path, spoilt: Spoilt) -> None:
    spoilt.how(data)
    found = checked(storage, data)
    assert spoilt.problem in {finding.what for finding in found.problems}, found.findings


def test_a_row_that_cannot_be_read_does_not_hide_what_else_is_wrong(storage: Storage, data: Path) -> None:
    """Of the look it ends, the others go on; and the photos are gone through."""
    sql("UPDATE journals SET signature_fault = 'x'")(data)
    sql("UPDATE tickets SET region = 'x'")(data)
    (data / "photos" / SHA256[:2] / SHA256).unlink()
    kinds = {finding.what for finding in checked(storage, data).problems}
    assert kinds >= {Problem.DATABASE_DAMAGED, Problem.TICKET_MISFILED, Problem.PHOTO_MISSING}


def test_there_is_a_way_to_meet_every_problem() -> None:
    assert {spoilt.problem for spoilt in SPOILT.values()} == set(Problem)


def test_a_photo_the_desk_named_and_nobody_holds_is_missing(office: Office, storage: Storage, data: Path) -> None:
    """The desk's photos are stored before the operation that names them: no phone will bring them."""
    ticket = office.received()
    office.decide(ticket, AddPhoto("c" * 64, 10, "image/jpeg", PhotoSlot.REPORTED))
    assert [finding.what for finding in checked(storage, data).problems] == [Problem.PHOTO_MISSING]


def test_what_is_left_over_is_noted_and_is_no_problem(storage: Storage, data: Path) -> None:
    extra = a_picture(500, seed=9)
    name = hashlib.sha256(extra).hexdigest()
    (data / "photos" / name[:2]).mkdir(exist_ok=True)
    (data / "photos" / name[:2] / name).write_bytes(extra)
    (data / "photos" / "README").write_text("hello")
    (data / "uploads" / "desk-left").write_bytes(b"x")
    upload = StoredUpload(
        id="0" * 32, device="d", person=CHEN.id, sha256="a" * 64, size_bytes=1, begun_at_ms=0, expires_at_ms=1
    )
    storage.write_now(lambda writing: writing.execute(BEGIN, [begun_row(upload)]))
    found = checked(storage, data)
    assert found.problems == ()
    noted = {note.what: note.about for note in found.notes}
    assert noted[Note.PHOTOS_UNNAMED] == noted[Note.UPLOADS_LEFT_OVER] == noted[Note.UPLOADS_WITHOUT_FILE] == "1"
    assert noted[Note.STRAY_FILES] == "photos/README"


def test_a_damaged_photo_is_a_problem_until_it_was_brought_anew_and_a_note_from_then_on(
    storage: Storage, data: Path
) -> None:
    def about(found: Verification) -> set[tuple[Problem | Note, str]]:
        return {(finding.what, finding.about) for finding in found.findings if "photo" in finding.what.value}

    before = about(checked(storage, data))
    photo(data).write_bytes(PHOTO[:100])
    assert about(checked(storage, data)) == before | {(Problem.PHOTO_DAMAGED, SHA256)}
    (data / "damaged" / f"{SHA256}-1").hardlink_to(photo(data))  # where somebody died before the next step
    assert about(checked(storage, data)) == before | {(Problem.PHOTO_DAMAGED, SHA256)}
    photo(data).unlink()
    for hashes in (True, False):
        assert about(checked(storage, data, hashes=hashes)) == before | {(Problem.PHOTO_DAMAGED, SHA256)}
    photo(data).write_bytes(PHOTO)
    (data / "damaged" / "README").write_text("hello")
    found = checked(storage, data)
    assert about(found) == before | {(Note.PHOTOS_REPLACED, "1")}
    assert Finding(Note.STRAY_FILES, "damaged/README") in found.notes


def test_what_its_disk_cannot_read_any_more_is_damaged(
    storage: Storage, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is no reason to leave the rest unchecked."""

    def file_digest(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    problems = {(finding.what, finding.about) for finding in checked(storage, data).problems}
    assert problems == {(Problem.PHOTO_DAMAGED, SHA256), (Problem.SET_ASIDE_DAMAGED, ASIDE)}


# -- how it is said ---------------------------------------------------------------------------------------------------


@pytest.fixture
def said(data: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    def typed(*words: str) -> tuple[int, list[str], str]:
        capsys.readouterr()
        status = main([*words, "--data", str(data)])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return typed


def test_problems_come_first_and_decide_the_exit_status(said: Said, data: Path) -> None:
    photo(data).write_bytes(b"")
    status, lines, progress = said("verify")
    assert status == UNSOUND
    assert lines[0] == f"problem: photo {SHA256} is damaged: its bytes do not have this hash"
    assert [line.partition(":")[0] for line in lines[1:]] == ["note"] * 4 + ["1 problems"]
    assert "photos (1) …" in progress
    status, lines, progress = said("verify", "--quick", "--quiet")
    assert lines[0] == f"problem: photo {SHA256} does not have the bytes that were announced: 0 ≠ {len(PHOTO)}"
    assert progress == ""


def test_many_of_one_kind_are_counted(said: Said, data: Path) -> None:
    for number in range(30):
        (data / "photos" / f"stray-{number}").write_bytes(b"")
    status, lines, _ = said("verify")
    assert status == 0
    assert sum("does not belong there" in line for line in lines) == 20
    assert "note: … and 10 more of this kind (stray-files)" in lines


@pytest.mark.parametrize("what", [*Problem, *Note], ids=lambda what: what.value)
def test_every_finding_has_a_sentence_and_is_explained(what: Problem | Note) -> None:
    spoken = sentence(Finding(what, "THIS", "THAT"))
    assert re.fullmatch(r".*TH(IS|AT).*", spoken)
    explained = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    words = re.sub(r"\{(about|detail)\}", "…", SENTENCES[what])
    assert words in explained


def test_where_there_is_no_office_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--data", str(tmp_path / "nowhere")]) == FAILED
    assert "there is no office in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_database_that_is_none_is_no_reason_for_a_traceback(said: Said, storage: Storage, data: Path) -> None:
    storage.close()
    for file in data.glob("doorstep.db*"):
        file.unlink()
    (data / "doorstep.db").write_bytes(b"this is no database" * 1000)
    status, _, complained = said("verify", "--quiet")
    assert (status, complained) == (FAILED, "doorstep: the database cannot be used: file is not a database\n")
