"""What people and uploads promise, on SQLite and on PostgreSQL alike."""

from datetime import date

import pytest
from msgspec.structs import replace

from shared_schema.credentials import Certificate
from sync_server.clock import milliseconds
from sync_server.storage import Storage
from sync_server.storage.people import DeviceIdentity, LoginTaken
from sync_server.storage.uploads import BEGIN, Settled, StoredUpload, UploadState, begun_row
from tests.sync_server.office import CHEN, LIN, WANG, hire


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    any_storage.write_now(hire)
    return any_storage


def test_a_person_comes_back_as_saved(storage: Storage) -> None:
    """With everything on the credential; saving again changes what is known and keeps password and portrait."""
    certificate = Certificate("电工证", "D-1", date(2027, 5, 1))
    chen = replace(CHEN, skills=("灯具", "整流器"), certificates=(certificate,), credential_until=date(2026, 12, 31))
    storage.write_now(lambda writing: writing.people.save(chen, 1))
    storage.write_now(lambda writing: writing.people.set_photo(CHEN.id, b"\xff\xd8\x00jpeg"))
    storage.write_now(lambda writing: writing.people.save(chen, 2))
    assert storage.read_now(lambda reading: reading.people.person(CHEN.id)) == replace(chen, has_photo=True)
    assert storage.read_now(lambda reading: reading.people.photo(CHEN.id)) == b"\xff\xd8\x00jpeg"
    assert storage.read_now(lambda reading: reading.people.named([CHEN.id, "t-nobody"])) == {CHEN.id: CHEN.name}
    with pytest.raises(LoginTaken):
        storage.write_now(lambda writing: writing.people.save(replace(WANG, login=LIN.login), 3))


def test_names_survive_what_a_text_column_cannot_hold(storage: Storage) -> None:
    """PostgreSQL knows no NUL; the rest of the name stays."""
    storage.write_now(lambda writing: writing.people.save(replace(CHEN, name="陈\x00师傅"), 1))
    person = storage.read_now(lambda reading: reading.people.person(CHEN.id))
    assert person is not None
    assert person.name == "陈师傅"


def test_sessions_begin_are_used_and_end(storage: Storage) -> None:
    def begin(token: str, at_ms: int, expires_at_ms: int) -> None:
        storage.write_now(lambda writing: writing.people.begin_session(token, LIN.id, "csrf", at_ms, expires_at_ms))

    begin("first", 10, 100)
    begin("second", 200, 300)
    assert storage.read_now(lambda reading: reading.people.session("first")) is None
    storage.write_now(lambda writing: writing.people.session_used("second", 250))
    session = storage.read_now(lambda reading: reading.people.session("second"))
    assert session is not None
    assert (session.person.id, session.csrf, session.used_at_ms, session.expires_at_ms) == (LIN.id, "csrf", 250, 300)
    storage.write_now(lambda writing: writing.people.end_sessions_of(LIN.id))
    assert storage.read_now(lambda reading: reading.people.session("second")) is None


def test_a_device_is_enrolled_revoked_and_enrolled_again(storage: Storage) -> None:
    def enrol(token: str, at_ms: int) -> None:
        storage.write_now(
            lambda writing: writing.people.enrol_device(
                "phone-a", CHEN.id, name="手机", platform="browser", token_sha256=token, at_ms=at_ms
            )
        )

    identity = DeviceIdentity("phone-a", CHEN)
    enrol("one", 1)
    assert storage.read_now(lambda reading: reading.people.device_with_token("one")) == (identity, False)
    storage.write_now(lambda writing: writing.people.heard_from("phone-a", 2, 3, None))
    assert storage.write_now(lambda writing: writing.people.revoke_device("phone-a", 3, LIN.id, "手机丢失"))
    assert not storage.write_now(lambda writing: writing.people.revoke_device("phone-a", 4, LIN.id, "又丢了"))
    assert storage.read_now(lambda reading: reading.people.device_with_token("one")) == (identity, True)
    enrol("two", 5)
    assert storage.read_now(lambda reading: reading.people.device_with_token("one")) is None
    assert storage.read_now(lambda reading: reading.people.device_with_token("two")) == (identity, False)
    (row,) = storage.read_now(lambda reading: reading.people.devices(CHEN.id))
    assert (row.holds_operations, row.holds_photos, row.revoked_at) == (3, None, None)


def test_views_are_numbered_as_they_come(storage: Storage) -> None:
    storage.write_now(lambda writing: writing.people.note_views(LIN.id, ["a", "b"], "list", 1))
    storage.write_now(lambda writing: writing.people.note_views(LIN.id, ["a"], "ticket", 1))
    assert [view.page for view in storage.read_now(lambda reading: reading.people.views_of("a"))] == ["ticket", "list"]


def test_an_upload_is_begun_extended_settled_or_forgotten(storage: Storage) -> None:
    """What was received is never forgotten."""

    def an_upload(name: str, expires_at_ms: int) -> StoredUpload:
        return StoredUpload(
            id=name,
            device="phone-a",
            person=CHEN.id,
            sha256="0" * 64,
            size_bytes=3_000_000_000,
            begun_at_ms=1,
            expires_at_ms=expires_at_ms,
        )

    one, two = an_upload("one", 100), an_upload("two", 200)
    for upload in (one, two):
        storage.write_now(lambda writing, upload=upload: writing.execute(BEGIN, [begun_row(upload)]))  # type: ignore[misc]
    assert storage.read_now(lambda reading: reading.uploads.upload("one")) == one
    assert storage.read_now(lambda reading: reading.uploads.unfinished_of(CHEN.id, 50)) == (2, 6_000_000_000)
    assert storage.read_now(lambda reading: reading.uploads.unfinished_of(CHEN.id, 150)) == (1, 3_000_000_000)
    assert storage.read_now(lambda reading: reading.uploads.unfinished_of(WANG.id, 50)) == (0, 0)
    found = storage.read_now(lambda reading: reading.uploads.unfinished_with(CHEN.id, "0" * 64, 3_000_000_000, 150))
    assert found == two
    storage.write_now(lambda writing: writing.uploads.extend("one", 300))
    storage.write_now(lambda writing: writing.uploads.settle_all([Settled("two", UploadState.RECEIVED, 250)]))
    assert storage.read_now(lambda reading: reading.uploads.expired(250)) == []
    assert storage.read_now(lambda reading: reading.uploads.expired(300)) == ["one"]
    storage.write_now(lambda writing: writing.uploads.forget(["one", "two"]))
    assert storage.read_now(lambda reading: reading.uploads.upload("one")) is None
    received = storage.read_now(lambda reading: reading.uploads.upload("two"))
    assert received is not None
    assert received.state is UploadState.RECEIVED


def test_it_is_known_since_when_a_phone_has_held_work(storage: Storage) -> None:
    """From when it first said so; what it does not say changes nothing, and once it held nothing it begins anew."""

    def since(at_ms: int, operations: int | None, photos: int | None) -> int | None:
        storage.write_now(lambda writing: writing.people.heard_from("phone-1", at_ms, operations, photos))
        (device,) = storage.read_now(lambda reading: reading.people.devices())
        return None if device.holds_since is None else milliseconds(device.holds_since)

    storage.write_now(
        lambda writing: writing.people.enrol_device("phone-1", CHEN.id, name="", platform="", token_sha256="t", at_ms=1)
    )
    assert since(10, 0, 0) is None
    assert since(20, 0, 2) == 20
    assert since(30, 5, 2) == 20
    assert since(40, None, None) == 20
    assert since(50, 0, 0) is None
    assert since(60, 1, 0) == 60
