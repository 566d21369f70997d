"""What leaves a phone besides syncing: the rescue file; and why nobody leaves a phone that still holds something."""

import asyncio
import hashlib
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag

from field_app.actions import Actions
from field_app.device.contract import Shared, Sharing, SharingFailed, SigningFailed
from field_app.device.desktop import DesktopDevice
from field_app.state.leaving import InTheWay, Left, in_the_way, leave
from field_app.state.phone import Phone
from field_app.store import Held, Identity, StorageUnavailable
from field_app.sync import NotPossible, OfficeOverHttp, SyncEngine, WhyNot, make_rescue_file
from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.rejections import UnknownTicket
from shared_schema.rescue import CHUNK_BYTES
from tests.builders.networks import Network
from tests.builders.rescue_opening import Opened, an_office_key, opened, public_half
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import a_reference
from tests.field_app.single_phone import SinglePhone, saved, verdict

T = TypeVar("T")

TICKET = an_assigned_ticket()
OFFICE = an_office_key()
REFERENCE = a_reference(rescue_key=public_half(OFFICE))


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    with asyncio.Runner() as runner:
        yield runner.run


def the_app(single: SinglePhone) -> Phone:
    """Around the phone's store, with no office in reach."""
    client = httpx.AsyncClient(base_url="http://office.test", transport=Network(None, up=False))
    engine = SyncEngine(single.store, OfficeOverHttp(client, single.store), single.device)
    return Phone(single.device, single.store, engine, Actions(single.store, engine), client)


async def rescued(single: SinglePhone) -> bytes:
    made = await make_rescue_file(single.store, single.device, single.store.reference())
    assert not isinstance(made, NotPossible), made
    return b"".join([piece async for piece in made])


def with_work(phone: SinglePhone) -> tuple[str, list[bytes]]:
    """One note received, one waiting; one photo received, two waiting; one draft. What must be in the file."""
    phone.hears(puts=[TICKET], reference=REFERENCE)
    saved(phone.actions.add_note(TICKET.id, "已收到"))
    saved(phone.actions.add_photo(TICKET.id, a_picture(seed=1), PhotoSlot.BEFORE))
    phone.hears()
    (state,) = phone.store.photo_states()
    phone.store.photo_received(state.sha256)
    note = saved(phone.actions.add_note(TICKET.id, "地下室没有信号"))
    photos = [a_picture(CHUNK_BYTES * 2, seed=2), a_picture(seed=3)]
    for photo in photos:
        saved(phone.actions.add_photo(TICKET.id, photo, PhotoSlot.AFTER))
    phone.store.save_draft(f"finish:{TICKET.id}", {"found": "写到一半"})
    return note, photos


def holds(found: Opened, phone: SinglePhone, photos: list[bytes]) -> None:
    assert found.envelopes == phone.store.raw_journal()
    assert sorted(found.photos.values()) == sorted(photos)
    assert found.drafts == {f"finish:{TICKET.id}": {"found": "写到一半"}}


def test_a_rescue_file_holds_the_journal_the_photos_not_received_and_the_drafts(phone: SinglePhone, run: Any) -> None:
    """Read by somebody who knows only the description of the form, and the office's key."""
    _, photos = with_work(phone)
    found = opened(run(rescued(phone)), OFFICE)
    holds(found, phone, photos)
    assert found.is_signed
    assert found.header["device"] == "device-1"
    assert found.header["person"] == "t-chen"


def test_a_desktop_puts_the_file_where_its_person_finds_it(phone: SinglePhone, tmp_path: Path, run: Any) -> None:
    """Signed with the key in its file."""
    _, photos = with_work(phone)
    app = the_app(phone)
    app.device = device = DesktopDevice(phone.path, downloads=tmp_path / "downloads")
    shared = run(app.rescue())
    assert isinstance(shared, Shared)
    found = opened(Path(shared.place).read_bytes(), OFFICE)
    holds(found, phone, photos)
    assert b64decode(found.header["signing_key"]) == run(device.signer.public_key())
    assert phone.store.is_rescued()


def test_nobody_else_can_read_or_alter_a_rescue_file(phone: SinglePhone, run: Any) -> None:
    with_work(phone)
    file = run(rescued(phone))
    another = bytearray(file)
    another[-100_000] ^= 1
    with pytest.raises(InvalidSignature):
        opened(bytes(another), OFFICE)
    with pytest.raises((InvalidTag, AssertionError)):
        opened(file, an_office_key(8))
    assert "地下室".encode() not in file


def test_a_photo_the_disk_has_lost_keeps_nothing_else_from_leaving(phone: SinglePhone, run: Any) -> None:
    """One page of the file is damaged. It is for such phones that there are rescue files."""
    _, photos = with_work(phone)
    phone.store.close()
    data = bytearray(phone.path.read_bytes())
    page = data.index(photos[0][1_000_000:1_000_100]) // 4096 * 4096
    data[page : page + 4] = b"\xff\xff\xff\x00"  # where the photo goes on, by the page
    phone.path.write_bytes(data)
    phone.open()
    with pytest.raises(StorageUnavailable):
        phone.store.photo(hashlib.sha256(photos[0]).hexdigest())
    holds(opened(run(rescued(phone)), OFFICE), phone, photos[1:])


def test_a_device_that_cannot_sign_makes_an_unsigned_file(phone: SinglePhone, run: Any) -> None:
    with_work(phone)
    phone.device.key.can_sign = False
    assert not opened(run(rescued(phone)), OFFICE).is_signed


def test_a_key_that_fails_at_the_end_is_told_and_makes_no_file(phone: SinglePhone, run: Any) -> None:
    """Half a file must not look like a whole one."""
    with_work(phone)
    phone.device.key.fault = SigningFailed("gone")
    app = the_app(phone)
    with pytest.raises(SigningFailed):
        run(app.rescue())
    assert phone.device.shared == {}
    assert not phone.store.is_rescued()


def test_without_the_offices_key_no_file_can_be_made(phone: SinglePhone, run: Any) -> None:
    """Sealed for nobody would be readable by nobody, or by everybody."""
    phone.hears(puts=[TICKET], reference=a_reference())
    app = the_app(phone)
    assert run(app.rescue()) == NotPossible(WhyNot.NO_OFFICE_KEY)
    assert app.why_no_rescue() is WhyNot.NO_OFFICE_KEY


def test_a_key_that_is_no_key_makes_no_file(phone: SinglePhone, run: Any) -> None:
    phone.hears(puts=[TICKET], reference=a_reference(rescue_key=b"\x04" + bytes(64)))
    assert run(the_app(phone).rescue()) == NotPossible(WhyNot.NO_OFFICE_KEY)


def test_what_is_held_is_counted(phone: SinglePhone) -> None:
    """Photos by what is still to be sent of them; a refusal until something was made of it."""
    assert phone.store.held() == Held()
    note, photos = with_work(phone)
    waiting = sum(len(photo) for photo in photos)
    assert phone.store.held() == Held(operations=3, photos=2, photo_bytes=waiting, drafts=1)
    small = min(phone.store.photos_waiting(), key=lambda photo: photo.size_bytes)
    phone.store.photo_progress(small.sha256, location="/u/1", offset=100, restarts=0)
    phone.hears([verdict(phone.entry(note), Filing.REFUSED, rejection=UnknownTicket())])
    assert phone.store.held() == Held(operations=0, photos=2, photo_bytes=waiting - 100, drafts=1, refused=1)


def test_nobody_leaves_a_phone_that_holds_what_the_office_has_not_got(phone: SinglePhone, run: Any) -> None:
    """Offline, three entries, two photos and a draft are in the way: the phone stays whose it is."""
    with_work(phone)
    app = the_app(phone)
    way = run(leave(app))
    assert way == InTheWay(phone.store.held(), no_rescue=None)
    assert phone.store.identity() is not None


def test_leaving_is_possible_with_a_rescue_file_and_deletes_nothing(phone: SinglePhone, run: Any) -> None:
    """The file was handed on; then nothing of customers is shown any more, and everything recorded is still there."""
    _, photos = with_work(phone)
    app = the_app(phone)
    shared = run(app.rescue())
    assert isinstance(shared, Shared)
    holds(opened(phone.device.shared[shared.place], OFFICE), phone, photos)
    assert in_the_way(app) is None
    assert run(leave(app)) == Left()
    assert phone.store.identity() is None
    assert phone.store.tickets() == []
    withdrawn = phone.store.withdrawn(TICKET.id)
    assert withdrawn is not None
    assert (withdrawn.customer.phone, withdrawn.customer.address) == ("", "")
    assert len(phone.store.raw_journal()) == 5
    assert phone.store.held().photos == 2
    holds(opened(run(rescued(phone)), OFFICE), phone, photos)


def test_a_rescue_file_put_aside_is_no_way_out(phone: SinglePhone, run: Any) -> None:
    with_work(phone)
    app = the_app(phone)
    phone.device.sharing = Sharing.CANCELLED
    run(app.rescue())
    assert isinstance(run(leave(app)), InTheWay)


def test_what_came_after_the_rescue_file_is_in_the_way_again(phone: SinglePhone, run: Any) -> None:
    with_work(phone)
    app = the_app(phone)
    run(app.rescue())
    phone.store.save_draft(f"note:{TICKET.id}", {"text": "还有一点"})
    assert in_the_way(app) is not None
    run(app.rescue())
    assert in_the_way(app) is None
    saved(phone.actions.add_note(TICKET.id, "还有一条"))
    assert in_the_way(app) is not None


def test_an_office_that_lost_photos_makes_an_old_rescue_file_worthless(phone: SinglePhone, run: Any) -> None:
    """A photo received then is not in the file; the office, restored from a backup, has it no more."""
    phone.hears(puts=[TICKET], reference=REFERENCE)
    saved(phone.actions.add_photo(TICKET.id, a_picture(), PhotoSlot.BEFORE))
    phone.hears()
    (state,) = phone.store.photo_states()
    phone.store.photo_received(state.sha256)
    app = the_app(phone)
    run(app.rescue())
    assert phone.store.is_rescued()
    phone.hears(received_through=0)
    assert phone.store.held().photos == 1
    assert not phone.store.is_rescued()


def test_the_same_person_comes_back_to_the_same_device(phone: SinglePhone, run: Any) -> None:
    """What waited when they left is sent when they are back: the entries carry this device's name."""
    with_work(phone)
    app = the_app(phone)
    run(app.rescue())
    run(leave(app))
    assert phone.store.enrolling_device() == "device-1"
    phone.store.enrolled(Identity("device-1", "t-chen", "陈师傅", "token-2"))
    assert len(phone.store.next_exchange().entries) == 5


def test_somebody_else_starts_with_a_device_of_their_own(phone: SinglePhone, run: Any) -> None:
    """What is in the rescue file is not counted as theirs to send, and is still on the phone."""
    with_work(phone)
    app = the_app(phone)
    run(app.rescue())
    run(leave(app))
    assert phone.store.may_become_another()
    phone.store.enrol_as_new_device()
    device = phone.store.enrolling_device()
    assert device != "device-1"
    phone.store.enrolled(Identity(device, "t-wu", "吴师傅", "token-3"))
    assert phone.store.counts().operations == 0
    assert phone.store.next_exchange().entries == ()
    assert len(phone.store.raw_journal()) == 5


def test_somebody_else_is_not_given_what_lies_half_typed(phone: SinglePhone, run: Any) -> None:
    """Nothing waits to be sent; but what was typed would be nobody's, and on no screen."""
    phone.hears(puts=[TICKET], reference=REFERENCE)
    phone.store.save_draft(f"finish:{TICKET.id}", {"found": "写到一半"})
    assert not phone.store.may_become_another()
    run(the_app(phone).rescue())
    assert phone.store.may_become_another()


def test_somebody_else_is_shown_nothing_of_what_was_refused_or_half_typed(phone: SinglePhone, run: Any) -> None:
    """It is in the rescue file and stays on the phone; and it is neither theirs to read nor to answer for."""
    note, _ = with_work(phone)
    phone.hears([verdict(phone.entry(note), Filing.REFUSED, rejection=UnknownTicket())])
    assert (len(phone.store.refusals()), phone.store.counts().refused) == (1, 1)
    app = the_app(phone)
    run(app.rescue())
    run(leave(app))
    phone.store.enrol_as_new_device()
    phone.store.enrolled(Identity(phone.store.enrolling_device(), "t-wu", "吴师傅", "token-3"))
    assert phone.store.refusals() == []
    assert phone.store.stranded() == []
    assert phone.store.draft(f"finish:{TICKET.id}") is None, "the ticket may come to them one day"
    held = phone.store.held()
    assert (held.operations, held.drafts, held.refused) == (0, 0, 0)
    assert phone.store.is_rescued(), "nothing has been added to what the file holds"
    assert len(phone.store.raw_journal()) == 5
    rows = phone.store._file.rows("SELECT CAST(body AS TEXT) FROM drafts")
    assert ["写到一半" in body for (body,) in rows] == [True], "what was typed is not deleted"
    phone.store.save_draft(f"finish:{TICKET.id}", {"found": "吴师傅写的"})
    assert phone.store.held().drafts == 1


@pytest.mark.parametrize("new_device", [True, False])
def test_who_comes_back_finds_what_was_refused_and_half_typed(phone: SinglePhone, run: Any, new_device: bool) -> None:
    note, _ = with_work(phone)
    phone.hears([verdict(phone.entry(note), Filing.REFUSED, rejection=UnknownTicket())])
    app = the_app(phone)
    run(app.rescue())
    run(leave(app))
    phone.store.enrolled(Identity("device-9" if new_device else "device-1", "t-chen", "陈师傅", "token-2"))
    assert [refused.id for refused in phone.store.refusals()] == [note]
    assert phone.store.held().drafts == 1


@pytest.mark.parametrize("leaves", [True, False])
def test_nobody_shows_the_credential_of_the_one_before(phone: SinglePhone, leaves: bool) -> None:
    """Not even before the phone has been told its new one."""
    phone.hears(puts=[TICKET], reference=REFERENCE)
    if leaves:
        phone.store.leave()
        assert phone.store.reference() is not None, "a rescue file can still be made"
    phone.store.enrolled(Identity("device-2", "t-wu", "吴师傅", "token-2"))
    assert phone.store.reference() is None


def test_a_phone_with_nothing_held_is_left_without_more_ado(phone: SinglePhone, run: Any) -> None:
    phone.hears(puts=[TICKET], reference=REFERENCE)
    saved(phone.actions.add_note(TICKET.id, "已收到"))
    phone.hears()
    assert run(leave(the_app(phone))) == Left()
    assert phone.store.enrolling_device() != "device-1"


def test_on_a_desktop_the_file_lands_in_the_downloads(tmp_path: Path, run: Any) -> None:
    """A second one beside it; a file that breaks off leaves nothing behind."""
    device = DesktopDevice(tmp_path / "store.db", downloads=tmp_path / "downloads")

    async def pieces() -> Any:
        yield b"one"
        yield b"two"

    async def breaking() -> Any:
        yield b"one"
        raise SigningFailed("gone")

    for name in ("a.doorstep-rescue", "a (2).doorstep-rescue"):
        shared = run(device.share("a.doorstep-rescue", pieces()))
        assert shared == Shared(Sharing.SAVED, str(tmp_path / "downloads" / name))
        assert Path(shared.place).read_bytes() == b"onetwo"
        assert Path(shared.place).stat().st_mode & 0o777 == 0o600
    with pytest.raises(SigningFailed):
        run(device.share("b.doorstep-rescue", breaking()))
    assert not (tmp_path / "downloads" / "b.doorstep-rescue").exists()
    (tmp_path / "file").touch()
    with pytest.raises(SharingFailed):
        run(DesktopDevice(tmp_path / "store.db", downloads=tmp_path / "file").share("c", pieces()))
