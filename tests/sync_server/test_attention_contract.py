"""Refused operations, phones' keys and what rescue files brought, kept by SQLite and by a real PostgreSQL alike."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from msgspec.structs import replace

from shared_schema.operations import FIRST_HASH
from sync_server.storage import Storage, Writing
from sync_server.storage.attention import Answered, Origin, Refusal, RescuedDraft, RescuedOperation
from sync_server.storage.journal import OFFICE, Entry
from sync_server.storage.keys import DeviceKey, JournalSignature, LearntBy, Secret, SignatureFault, SignedJournal
from sync_server.storage.rescues import Rescue

HASH = "a" * 64


def a_refusal(sequence: int = 1, **different: Any) -> Refusal:
    usual: dict[str, Any] = {
        "operation": f"op-{sequence}",
        "device": "phone",
        "sequence": sequence,
        "hash": HASH,
        "position": sequence,
        "ticket": "ticket",
        "person": "t-chen",
        "kind": "add_note",
        "code": "unknown_ticket",
        "refused_at_ms": 1000 + sequence,
    }
    return Refusal(**(usual | different))


def refuse(storage: Storage, *refused: Refusal) -> None:
    storage.write_now(lambda writing: writing.attention.refuse(refused))


def _answer(given: list[Answered], writing: Writing) -> None:
    writing.attention.answer("phone", "t-chen", given, 2000)


def open_ones(storage: Storage, **wanted: Any) -> list[str]:
    return [each.operation for each in storage.read_now(lambda reading: reading.attention.refusals(**wanted))]


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_open_until_somebody_has_dealt_with_it(any_storage: Storage) -> None:
    refuse(any_storage, *(a_refusal(sequence) for sequence in range(1, 5)))
    assert open_ones(any_storage) == ["op-4", "op-3", "op-2", "op-1"]
    any_storage.write_now(
        lambda writing: writing.attention.answer("phone", "t-chen", [Answered("op-2", "noted", "op-9")], 2000)
    )
    assert any_storage.write_now(lambda writing: writing.attention.see(a_refusal(3), "p-lin", 3000))
    assert not any_storage.write_now(lambda writing: writing.attention.see(a_refusal(3), "p-wu", 4000))
    assert open_ones(any_storage) == ["op-4", "op-1"]
    assert open_ones(any_storage, newest=1, skip=1) == ["op-1"]
    assert open_ones(any_storage, device="another") == open_ones(any_storage, ticket="another") == []
    everything = any_storage.read_now(lambda reading: reading.attention.refusals(open_only=False))
    assert [each.is_open for each in everything] == [True, False, False, True]
    assert everything[1] == a_refusal(3, seen_at_ms=3000, seen_by="p-lin")
    assert everything[2] == a_refusal(2, answer="noted", answered_at_ms=2000, answered_by="t-chen", by_operation="op-9")
    assert any_storage.read_now(
        lambda reading: (
            reading.attention.open_by_device(),
            reading.attention.count_refusals(),
            reading.attention.count_refusals(open_only=False, ticket="ticket"),
        )
    ) == ({"phone": 2}, 2, 4)
    assert any_storage.write_now(lambda writing: writing.attention.see_all("phone", "p-lin", 5000)) == 2
    assert open_ones(any_storage) == []


def test_of_two_that_came_without_an_id_one_is_seen_at_a_time(any_storage: Storage) -> None:
    one, other = (a_refusal(0, operation="", hash=letter * 64) for letter in "ab")
    any_storage.write_now(lambda writing: writing.attention.refuse([one, other]))
    assert any_storage.write_now(lambda writing: writing.attention.see(one, "p-lin", 3000))
    assert any_storage.read_now(lambda reading: reading.attention.refusals()) == [other]


def test_filing_again_changes_nothing_and_the_first_answer_stays(any_storage: Storage) -> None:
    refuse(any_storage, a_refusal())
    for answer in ("withdrawn", "noted"):
        given = [Answered("op-1", answer, None)]
        any_storage.write_now(partial(_answer, given))
        refuse(any_storage, a_refusal(code="sequence_taken"))
    (kept,) = any_storage.read_now(lambda reading: reading.attention.refusals(open_only=False))
    assert (kept.code, kept.answer) == ("unknown_ticket", "withdrawn")


def test_only_the_same_phone_or_person_answers(any_storage: Storage) -> None:
    refuse(any_storage, a_refusal())

    def answer(device: str, person: str) -> None:
        given = [Answered("op-1", "withdrawn", None)]
        any_storage.write_now(lambda writing: writing.attention.answer(device, person, given, 2000))

    answer("other-phone", "t-wang")
    assert open_ones(any_storage) == ["op-1"]
    answer("other-phone", "t-chen")
    assert open_ones(any_storage) == []


def test_characters_no_database_holds_do_not_stop_a_refusal(any_storage: Storage) -> None:
    refuse(any_storage, a_refusal(kind="add\x00note"))
    (kept,) = any_storage.read_now(lambda reading: reading.attention.refusals())
    assert kept.kind == "addnote"


def test_refusals_from_before_there_was_a_queue_are_in_it(database: str, open_database: Callable[[], Storage]) -> None:
    """The office is brought up to date: what was refused last year is still nobody's business but somebody's."""

    def verdict(**different: Any) -> bytes:
        return json.dumps({"id": "x", "sequence": 1, "filing": "refused"} | different).encode()

    unknown = {"rejection": {"code": "unknown_ticket"}}
    rows = [
        ("phone", 1, verdict(filing="applied"), b'{"operation":{"kind":"add_note"}}'),
        ("phone", 2, verdict(**unknown), b'{"actor":{"person":"t-wu"},"operation":{"kind":"add_note"}}'),
        ("phone", 3, verdict(rejection={"code": "malformed_operation", "place": "$"}), b"\xff\xfe" + b"[" * 5000),
        (OFFICE, 1, verdict(**unknown), b'{"actor":{"person":"p-lin"},"operation":{"kind":"close_ticket"}}'),
    ]
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", "sync_server.storage:migrations")
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0002")
        connection.execute(
            sa.text(
                "INSERT INTO people (id, role, name, number, phone, skills, certificates, language, active,"
                " created_at_ms) VALUES ('t-chen', 'technician', '陈', '', '', '[]', '[]', 'zh-CN', :active, 0)"
            ),
            {"active": True},
        )
        connection.execute(
            sa.text(
                "INSERT INTO devices (id, person, name, platform, token_sha256, enrolled_at_ms)"
                " VALUES ('phone', 't-chen', '', '', 'x', 0)"
            )
        )
        for place, (device, sequence, answer, raw) in enumerate(rows, start=1):
            connection.execute(
                sa.text(
                    "INSERT INTO operations (position, id, device, sequence, ticket, received_at_ms, verdict, raw)"
                    " VALUES (:position, :id, :device, :sequence, NULL, :at, :verdict, :raw)"
                ),
                {
                    "position": place,
                    "id": f"op-{place}",
                    "device": device,
                    "sequence": sequence,
                    "at": 1000 + place,
                    "verdict": answer,
                    "raw": raw,
                },
            )
        connection.execute(
            sa.text(
                "INSERT INTO set_aside (device, sequence, hash, id, ticket, received_at_ms, verdict, raw)"
                " VALUES ('phone', 1, :hash, 'op-9', 'ticket', 2000, :verdict, :raw)"
            ),
            {
                "hash": hashlib.sha256(b"{}").hexdigest(),
                "verdict": verdict(rejection={"code": "sequence_taken"}),
                "raw": b"{}",
            },
        )
    engine.dispose()
    storage = open_database()
    filed = storage.read_now(lambda reading: reading.attention.refusals(open_only=False))
    assert [(each.operation, each.person, each.kind, each.code, each.is_open) for each in filed] == [
        ("op-9", "t-chen", "", "sequence_taken", True),
        ("op-4", "p-lin", "close_ticket", "unknown_ticket", False),
        ("op-3", "t-chen", "", "malformed_operation", True),
        ("op-2", "t-chen", "add_note", "unknown_ticket", True),
    ]
    raws = storage.read_now(lambda reading: reading.attention.bytes_of(filed))
    assert sorted(raws.values()) == sorted([b"{}", *(raw for _, _, _, raw in rows[1:])])
    assert storage.read_now(lambda reading: reading.keys.signature("phone")) == JournalSignature()


# -- keys and signatures -------------------------------------------------------------------------------------------


def test_a_device_has_the_key_it_brought_last_and_the_earlier_ones_are_kept(any_storage: Storage) -> None:
    first, second = b"1" * 32, b"2" * 32

    def learn(key: bytes, learnt_by: LearntBy, at_ms: int) -> None:
        any_storage.write_now(lambda writing: writing.keys.learn("phone", key, learnt_by, at_ms))

    assert any_storage.read_now(lambda reading: reading.keys.of_device("phone")) == []
    learn(first, LearntBy.FIRST_USE, 1000)
    learn(first, LearntBy.ENROLMENT, 2000)
    learn(second, LearntBy.ENROLMENT, 1000)
    newest, earlier = any_storage.read_now(lambda reading: reading.keys.of_device("phone"))
    assert newest == DeviceKey("phone", 1001, second, LearntBy.ENROLMENT)
    assert earlier == DeviceKey("phone", 1000, first, LearntBy.FIRST_USE)
    assert any_storage.read_now(lambda reading: reading.keys.of_devices()) == {"phone": newest}


def test_how_far_a_journal_is_signed_is_kept_beside_its_head(any_storage: Storage) -> None:
    said = JournalSignature(
        signed_through=7,
        signed_hash=HASH,
        signed_key=b"1" * 32,
        signature=b"s" * 64,
        signed_at_ms=2000,
        signature_failed_at_ms=1000,
        signature_fault=SignatureFault.WRONG,
    )
    any_storage.write_now(lambda writing: writing.journal.head("phone"))
    any_storage.write_now(lambda writing: writing.keys.mark({"phone": said}))
    assert any_storage.read_now(lambda reading: reading.keys.signature("phone")) == said
    assert any_storage.read_now(lambda reading: reading.keys.signatures(["phone", "other"])) == {"phone": said}
    journals = any_storage.read_now(lambda reading: reading.keys.journals(["phone", "other"]))
    assert journals == {"phone": SignedJournal(0, FIRST_HASH, None, said)}
    any_storage.write_now(lambda writing: writing.keys.learn("phone", b"1" * 32, LearntBy.ENROLMENT, 1))
    assert any_storage.read_now(lambda reading: reading.keys.journals(["phone"]))["phone"].key == b"1" * 32
    assert not said.is_in_doubt
    assert replace(said, signature_failed_at_ms=3000).is_in_doubt
    assert replace(said, signed_at_ms=None).is_in_doubt


def test_a_secret_is_kept_once(any_storage: Storage) -> None:
    first, second = Secret(b"private", b"public", 1000), Secret(b"other", b"other", 2000)
    assert any_storage.write_now(lambda writing: writing.keys.keep_secret("rescue", first))
    assert not any_storage.write_now(lambda writing: writing.keys.keep_secret("rescue", second))
    assert any_storage.read_now(lambda reading: reading.keys.secret("rescue")) == first
    assert any_storage.read_now(lambda reading: reading.keys.secret("other")) is None


# -- out of rescue files ----------------------------------------------------------------------------------------------


def test_drafts_are_shown_until_seen_and_kept_for_good(any_storage: Storage) -> None:
    draft = RescuedDraft(
        device="phone", key="note", hash=HASH, person="t-chen", body=b"{}", made_at_ms=1, taken_in_at_ms=2
    )
    assert any_storage.write_now(lambda writing: writing.attention.keep_draft(draft))
    assert not any_storage.write_now(lambda writing: writing.attention.keep_draft(draft))
    assert any_storage.read_now(lambda reading: reading.attention.drafts(device="phone")) == [draft]
    assert any_storage.write_now(lambda writing: writing.attention.see_draft("phone", "note", HASH, "p-lin", 3))
    assert not any_storage.write_now(lambda writing: writing.attention.see_draft("phone", "note", HASH, "p-wu", 4))
    assert any_storage.read_now(lambda reading: reading.attention.drafts()) == []
    kept = any_storage.read_now(lambda reading: reading.attention.drafts(unseen_only=False))
    assert kept == [replace(draft, seen_at_ms=3, seen_by="p-lin")]


def test_what_stands_behind_a_gap_waits_until_it_has_its_place(any_storage: Storage) -> None:
    waiting = [RescuedOperation("phone", sequence, HASH, f"op-{sequence}", None, 5, b"raw") for sequence in (0, 3, 4)]
    for _ in range(2):
        any_storage.write_now(lambda writing: writing.attention.keep_waiting(waiting))
    assert any_storage.read_now(lambda reading: reading.attention.waiting()) == waiting
    assert any_storage.read_now(lambda reading: reading.attention.waiting("phone", through=3)) == [waiting[1]]
    assert any_storage.read_now(lambda reading: reading.attention.waiting_by_device()) == {"phone": 3}
    any_storage.write_now(lambda writing: writing.attention.no_longer_waiting(waiting[1:2]))
    assert any_storage.read_now(lambda reading: reading.attention.waiting("phone")) == [waiting[0], waiting[2]]


def test_every_taking_in_of_a_rescue_file_is_on_record(any_storage: Storage) -> None:
    rescue = Rescue(HASH, 1234, "phone", 1, 2, "p-lin", b"{}")
    assert not any_storage.read_now(lambda reading: reading.rescues.was_taken_in(HASH))
    any_storage.write_now(lambda writing: writing.rescues.note(rescue))
    again = Rescue(HASH, 1234, "phone", 1, 9, "p-wu", b"{}")
    any_storage.write_now(lambda writing: writing.rescues.note(again))
    assert any_storage.read_now(lambda reading: reading.rescues.was_taken_in(HASH))
    assert any_storage.read_now(lambda reading: reading.rescues.taken_in(device="phone")) == [again, rescue]
    assert any_storage.read_now(lambda reading: reading.rescues.taken_in(device="other")) == []


# -- where operations came from ----------------------------------------------------------------------------------------


def test_where_any_number_of_operations_came_from_can_be_asked(any_storage: Storage) -> None:
    """A disk that has lost its photos has the office ask about every operation that ever named one."""
    entry = Entry(1, "op-1", "phone", 1, "ticket", 1000, b"{}", b"{}")
    any_storage.write_now(lambda writing: writing.journal.append([entry]))
    ids = [f"op-{number}" for number in range(300_000, 0, -1)]
    found = any_storage.read_now(lambda reading: reading.attention.origins(ids))
    assert found == {"op-1": Origin("phone", 1000)}
