"""What the engine makes of every answer there is, and when it asks again."""

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from field_app.store import EntryState, StorageUnavailable
from field_app.sync.engine import IDLE_SECONDS, LONGEST_RETRY_AFTER_SECONDS, UNREACHABLE_SECONDS
from shared_schema.evidence import PhotoSlot
from shared_schema.operations import Clock
from shared_schema.sync_protocol import (
    OPERATIONS_PER_ROUND,
    PROTOCOL,
    Away,
    Offline,
    PhotosUnheld,
    PutTicket,
    RefusedRequest,
    RoundReply,
    RoundRequest,
    SignedOut,
    UpgradeRequired,
    holding,
)
from shared_schema.wire import encode
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import a_reference
from tests.field_app.scripted_office import Answer, ScriptedOffice, problem
from tests.field_app.single_phone import saved

TICKET = an_assigned_ticket()
PAGE = {"content-type": "text/html"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[ScriptedOffice]:
    office = ScriptedOffice(tmp_path)
    office.phone.given(TICKET)
    yield office
    office.close()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("no route"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        OSError("network down"),
        TimeoutError(),
        httpx.Response(200, headers=PAGE, text="<html>Welcome to Hotel Wi-Fi</html>"),
        httpx.Response(200, content=b'{"protocol":1,"server_time_ms":17'),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'{"ok":true}'),
        httpx.Response(302, headers={"location": "http://portal.test/"}),
        httpx.Response(401, headers=PAGE, text="<html>Proxy sign-in</html>"),
        httpx.Response(403, headers=PAGE, text="<html>Blocked</html>"),
        httpx.Response(404, headers=PAGE, text="<html>nginx</html>"),
        httpx.Response(407, headers=PAGE),
        httpx.Response(500, headers=PAGE),
        httpx.Response(502, headers=PAGE),
        httpx.Response(511, headers=PAGE),
        problem(500, "internal-error"),
        problem(503, "unavailable"),
        problem(408, "request-stalled"),
        problem(429, "too-many-requests"),
    ],
    ids=lambda answer: f"{type(answer).__name__} {getattr(answer, 'status_code', '')}".strip(),
)
def test_whatever_is_not_the_office_answering_is_offline(office: ScriptedOffice, answer: Answer) -> None:
    """Nothing on the phone moves, and the next round goes through."""
    entry = saved(office.phone.actions.accept(TICKET.id))
    office.says(answer)
    outcome = office.run(office.engine.run_round())
    assert outcome.away == Offline()
    assert office.engine.status.reachable is False
    assert not office.engine.status.signed_out
    assert office.phone.entry(entry).state is EntryState.WAITING

    assert office.run(office.engine.run_round()).away is None
    assert office.engine.status.reachable is True
    assert office.phone.entry(entry).state is EntryState.ACCEPTED


@pytest.mark.parametrize("answer", [problem(401, "device-revoked"), httpx.Response(401)])
def test_a_phone_the_office_does_not_know_keeps_everything(office: ScriptedOffice, answer: httpx.Response) -> None:
    entry = saved(office.phone.actions.accept(TICKET.id))
    office.says(answer)
    outcome = office.run(office.engine.run_round())
    assert isinstance(outcome.away, SignedOut)
    assert office.engine.status.signed_out
    assert office.phone.entry(entry).state is EntryState.WAITING
    assert office.phone.store.identity() is not None
    assert office.phone.store.tickets()
    office.run(office.engine.run_round())
    assert not office.engine.status.signed_out


@pytest.mark.parametrize("protocol", [PROTOCOL - 1, PROTOCOL + 1])
def test_an_office_of_another_protocol_asks_for_an_update(office: ScriptedOffice, protocol: int) -> None:
    """By its problem code, or by the number in a reply whose form this app cannot know."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(problem(426, "upgrade-required"))
    assert office.run(office.engine.run_round()).away == UpgradeRequired()
    assert office.engine.status.upgrade_required
    assert office.phone.device.looked_for_update == 1, "at once, and not when the browser would look by itself"
    office.says(httpx.Response(200, content=encode({"protocol": protocol, "news": []})))
    assert office.run(office.engine.run_round()).away == UpgradeRequired()
    assert office.phone.device.looked_for_update == 2
    assert office.phone.store.counts().operations == 1


def test_every_round_says_who_asks_and_what_the_phone_still_holds(office: ScriptedOffice) -> None:
    office.phone.store.set_setting("language", "zh-CN")
    saved(office.phone.actions.accept(TICKET.id))
    office.run(office.engine.run_round())
    headers = office.requests[0].headers
    assert headers["authorization"] == "Bearer token-1"
    assert headers["doorstep-holding"] == "operations=1; photos=0"
    assert headers["accept-language"] == "zh-CN"


def test_the_phones_token_goes_to_the_office_and_nowhere_else(office: ScriptedOffice) -> None:
    """Whatever host a Location names, the photo and the token go to the office's address."""
    picture = a_picture(5_000)
    saved(office.phone.actions.add_photo(TICKET.id, picture, PhotoSlot.BEFORE))
    evil = {"location": "https://evil.test/sync/v1/uploads/1?x=2", "tus-resumable": "1.0.0"}
    office.says(
        office.accepting(),
        httpx.Response(200, content=encode(PhotosUnheld([hashlib.sha256(picture).hexdigest()]))),
        httpx.Response(201, headers=evil),
        httpx.Response(204, headers={"upload-offset": str(len(picture))}),
    )
    assert office.run(office.engine.run_round()).photos == 1
    assert {request.url.host for request in office.requests} == {"office.test"}
    assert office.requests[-1].url.raw_path == b"/sync/v1/uploads/1?x=2"


def test_an_envelope_is_sent_exactly_as_it_was_recorded(office: ScriptedOffice) -> None:
    saved(office.phone.actions.add_note(TICKET.id, "门铃“坏”了 ☂ \\ / \u2028"))
    office.run(office.engine.run_round())
    assert [bytes(raw) for raw in office.rounds[0].ops] == office.phone.store.raw_journal()


def test_a_round_goes_on_until_neither_side_has_more(office: ScriptedOffice) -> None:
    other = an_assigned_ticket(number="260302-002")
    page = [msgspec.Raw(encode(PutTicket(7, other)))]
    for _ in range(250):
        saved(office.phone.actions.add_note(TICKET.id, "记"))
    office.says(office.accepting(cursor=7, changes=page, more=True))
    outcome = office.run(office.engine.run_round())
    assert [len(asked.ops) for asked in office.rounds] == [200, 50]
    assert (outcome.sent, outcome.verdicts, outcome.changes) == (250, 250, 1)
    assert office.rounds[1].cursor == 7


def test_a_round_the_office_finds_too_large_is_cut_until_it_fits(office: ScriptedOffice) -> None:
    """Half as many, and half again; afterwards larger ones are tried anew."""
    for _ in range(8):
        saved(office.phone.actions.add_note(TICKET.id, "记"))
    office.says(problem(413, "request-too-large"), httpx.Response(413, headers=PAGE))
    outcome = office.run(office.engine.run_round())
    assert [len(asked.ops) for asked in office.rounds] == [8, 4, 2, 2, 2, 2]
    assert (outcome.sent, outcome.away) == (8, None)
    saved(office.phone.actions.add_note(TICKET.id, "记"))
    office.run(office.engine.run_round())
    assert "round-refused" in office.phone.incidents()


def test_what_cannot_be_looked_up_does_not_make_the_office_unreachable(office: ScriptedOffice) -> None:
    """A newer office's credential is of a form this app does not know: verdicts and tickets arrive all the same."""
    known = a_reference()
    office.phone.hears(reference=known)
    entry = saved(office.phone.actions.accept(TICKET.id))

    def newer(request: httpx.Request) -> httpx.Response:
        reply = msgspec.json.decode(office.accepts(request).content)
        strange = msgspec.to_builtins(a_reference(version="2" * 64)) | {"office_phone": ["400-820-0000"]}
        return httpx.Response(200, content=encode(reply | {"reference": strange}))

    office.says(newer)
    assert office.run(office.engine.run_round()).away is None
    assert office.phone.entry(entry).state is EntryState.ACCEPTED
    assert office.phone.store.reference() == known


def test_news_is_heard_even_when_what_the_phone_says_is_refused(office: ScriptedOffice) -> None:
    """A single operation is refused as a request, again and again: the office's changes still arrive."""
    other = an_assigned_ticket(number="260302-002")
    entry = saved(office.phone.actions.accept(TICKET.id))
    office.says(
        problem(400, "malformed-request"),
        office.accepting(cursor=7, changes=[msgspec.Raw(encode(PutTicket(7, other)))]),
    )
    outcome = office.run(office.engine.run_round())
    assert isinstance(outcome.away, RefusedRequest)
    assert [len(asked.ops) for asked in office.rounds] == [1, 0]
    assert office.phone.store.ticket(other.id) == other
    assert office.phone.entry(entry).state is EntryState.WAITING


def test_an_office_that_never_moves_does_not_keep_the_phone_busy(office: ScriptedOffice) -> None:
    """It says there is more and gives nothing, or takes nothing: one attempt a round, and a note of it."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(received_through=0, verdicts=[]))
    office.run(office.engine.run_round())
    assert len(office.requests) == 1
    assert "round-without-progress" in office.phone.incidents()
    office.requests.clear()
    office.run(office.engine.run_round())
    office.says(office.accepting(more=True))
    office.requests.clear()
    office.run(office.engine.run_round())
    assert len(office.requests) == 1


def test_an_office_that_sets_the_phone_back_again_and_again_does_not_keep_it_busy(office: ScriptedOffice) -> None:
    """It tells the first page of a list, and does not know again where that ended."""
    office.says(*[office.accepting(cursor=cursor, more=True) for cursor in (7, 0, 7, 0, 7, 0, 7)])
    office.run(office.engine.run_round())
    assert [asked.cursor for asked in office.rounds] == [1, 7, 0, 7]
    assert "set-back-again" in office.phone.incidents()


def test_what_will_be_held_is_compared_together_with_the_work(office: ScriptedOffice) -> None:
    """The last of the work says what the phone will hold once it is accepted; nothing more has to be asked."""
    saved(office.phone.actions.accept(TICKET.id))
    saved(office.phone.actions.start_travel(TICKET.id))
    office.run(office.engine.run_round())
    assert [asked.holding for asked in office.rounds] == [holding([(TICKET.id, TICKET.version + 2)])]

    for _ in range(OPERATIONS_PER_ROUND + 3):
        saved(office.phone.actions.add_note(TICKET.id, "客户说下午在家"))
    office.run(office.engine.run_round())
    assert [asked.holding for asked in office.rounds[1:]] == [None, holding([(TICKET.id, TICKET.version + 3)])]


@pytest.mark.parametrize("said", [None, False])
def test_work_that_comes_to_something_else_is_compared_once_more(office: ScriptedOffice, said: bool | None) -> None:
    """A refusal or a colleague's work; an older office says "not in step" of it, and nothing needs pulling anew."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(in_step=said))
    office.run(office.engine.run_round())
    assert [(len(asked.ops), asked.cursor) for asked in office.rounds] == [(1, 1), (0, 1)]
    assert office.rounds[1].holding == holding([(TICKET.id, TICKET.version)])
    assert "pulled-everything-again" not in office.phone.incidents()


def test_an_app_too_old_to_be_told_anything_does_not_ask_what_it_cannot_be_told(office: ScriptedOffice) -> None:
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(in_step=None, upgrade=True))
    assert office.run(office.engine.run_round()).upgrade
    assert len(office.rounds) == 1


def test_a_difference_is_mended_by_pulling_everything_and_not_for_ever(office: ScriptedOffice) -> None:
    """Out of step: the whole scope is taken anew, once. If that does not help, it is a fault to be looked at."""
    kept = an_assigned_ticket(number="260302-002")
    page = [msgspec.Raw(encode(PutTicket(9, kept)))]
    office.says(office.accepting(in_step=False), office.accepting(cursor=9, changes=page, in_step=False))
    office.run(office.engine.run_round())
    assert [asked.cursor for asked in office.rounds] == [1, 0]
    assert [ticket.id for ticket in office.phone.store.tickets()] == [kept.id]
    assert "pulled-everything-again" in office.phone.incidents()

    office.says(office.accepting(in_step=False))
    office.run(office.engine.run_round())
    assert len(office.requests) == 3
    office.clock.move(hours=1)
    office.says(office.accepting(in_step=False))
    office.run(office.engine.run_round())
    assert [asked.cursor for asked in office.rounds[3:]] == [9, 0]


@pytest.mark.parametrize("wrong_by", [timedelta(0), timedelta(days=730), timedelta(days=-730, hours=1)])
def test_later_envelopes_say_how_wrong_the_phones_clock_is(office: ScriptedOffice, wrong_by: timedelta) -> None:
    """Two years off: the office is told the offset, and how sure the phone is of it."""
    office.phone.device.clock_wrong_by = wrong_by
    office.run(office.engine.run_round())
    saved(office.phone.actions.accept(TICKET.id))
    envelope = office.phone.store.waiting()[0].envelope
    assert envelope is not None
    assert envelope.clock.uncertainty_ms is not None
    assert abs(envelope.clock.offset_ms + wrong_by / timedelta(milliseconds=1)) <= envelope.clock.uncertainty_ms
    assert envelope.clock != Clock()


def test_a_network_too_slow_for_a_large_round_gets_smaller_ones(office: ScriptedOffice) -> None:
    """The request ran out of time: half as much is tried, and when that goes through, more again."""
    for _ in range(200):
        saved(office.phone.actions.add_note(TICKET.id, "字" * 4000))

    def too_slow(request: httpx.Request) -> httpx.Response:
        office.clock.move(seconds=60)
        raise httpx.WriteTimeout("slow")

    office.says(too_slow, too_slow)
    for _ in range(3):
        office.run(office.engine.run_round())
    sizes = [sum(len(bytes(raw)) for raw in asked.ops) for asked in office.rounds]
    assert sizes[0] > 1.9 * sizes[1] > 3.7 * sizes[2]
    assert sizes[3] > sizes[2]
    assert office.phone.store.counts().operations == 0


# -- for ever ---------------------------------------------------------------------------------------------------------


def test_unreachable_it_asks_again_within_seconds_and_idle_every_ten(office: ScriptedOffice) -> None:
    office.says(*(httpx.ConnectError("") for _ in range(20)))
    pauses = [office.engine._pause_after(office.run(office.engine.run_round())) for _ in range(20)]
    assert all(UNREACHABLE_SECONDS[0] <= pause <= UNREACHABLE_SECONDS[1] for pause in pauses)
    assert len(set(pauses)) > 10, "not all phones at the same moment"
    assert office.engine._pause_after(office.run(office.engine.run_round())) == IDLE_SECONDS


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30.0),
        ("0", UNREACHABLE_SECONDS[0]),
        ("99999999999999999999", LONGEST_RETRY_AFTER_SECONDS),
        ("Mon, 02 Mar 2026 01:01:00 GMT", 60.0),
    ],
)
def test_the_office_says_when_to_ask_again(office: ScriptedOffice, said: str, seconds: float) -> None:
    """In seconds or as a date of its own clock; within reason."""
    headers = {"retry-after": said, "date": "Mon, 02 Mar 2026 01:00:00 GMT"}
    office.says(problem(503, "unavailable", **headers))
    outcome = office.run(office.engine.run_round())
    assert office.engine._pause_after(outcome) == seconds


@pytest.mark.parametrize("said", ["soon", "-5", "Mon, 99 Foo", ""])
def test_nonsense_about_when_to_ask_again_is_ignored(office: ScriptedOffice, said: str) -> None:
    office.says(problem(503, "unavailable", **{"retry-after": said}))
    assert office.run(office.engine.run_round()).away == Offline()


def test_a_hint_that_the_network_is_back_ends_a_request_sent_into_the_void(
    office: ScriptedOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last request hangs in a dead network; the place says it is online again: asked anew, at once."""
    saved(office.phone.actions.accept(TICKET.id))
    hanging = asyncio.Event()
    honest = office.service.round
    monkeypatch.setattr("field_app.sync.engine.UNREACHABLE_SECONDS", (0.0, 0.01))
    office.says(httpx.ConnectError("dead"))

    async def void_then_office(request: RoundRequest) -> RoundReply | Away:
        if len(office.requests) == 1 and not hanging.is_set():
            hanging.set()
            await asyncio.sleep(3600)
        return await honest(request)

    monkeypatch.setattr(office.service, "round", void_then_office)

    async def story() -> None:
        running = asyncio.create_task(office.engine.run_forever())
        await hanging.wait()
        await asyncio.sleep(0)
        changed = asyncio.Event()
        office.engine.subscribe(changed.set)
        office.phone.device.maybe_online()
        async with asyncio.timeout(5):
            while office.phone.store.counts().operations:
                changed.clear()
                await changed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    office.run(story())


def test_a_fault_of_ours_in_one_round_does_not_end_syncing(
    office: ScriptedOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something in a round raises what nobody foresaw, then even the store does: the engine goes on living."""
    saved(office.phone.actions.accept(TICKET.id))
    faults = [ZeroDivisionError("division by zero"), StorageUnavailable("disk I/O error")]
    honest = office.phone.store.take_reply

    def faulty(*arguments, **more):  # type: ignore[no-untyped-def]
        if faults:
            raise faults.pop(0)
        return honest(*arguments, **more)

    monkeypatch.setattr(office.phone.store, "take_reply", faulty)
    monkeypatch.setattr("field_app.sync.engine.UNREACHABLE_SECONDS", (0.0, 0.01))

    async def story() -> None:
        running = asyncio.create_task(office.engine.run_forever())
        changed = asyncio.Event()
        office.engine.subscribe(changed.set)
        async with asyncio.timeout(10):
            while office.phone.store.counts().operations:
                changed.clear()
                office.engine.wake()
                await changed.wait()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    office.run(story())
    assert "round-failed" in office.phone.incidents()


def test_a_screen_that_fails_to_draw_does_not_stop_syncing(office: ScriptedOffice) -> None:
    def fail() -> None:
        raise RuntimeError("no page")

    heard: list[bool] = []
    office.engine.subscribe(fail)
    stop = office.engine.subscribe(lambda: heard.append(True))
    saved(office.phone.actions.accept(TICKET.id))
    assert office.run(office.engine.run_round()).away is None
    assert heard
    assert office.engine.status.counts.operations == 0
    stop()
    heard.clear()
    saved(office.phone.actions.start_travel(TICKET.id))
    assert not heard
    assert office.engine.status.counts.operations == 1


def test_what_is_saved_is_sent_at_once_when_the_office_is_there(office: ScriptedOffice) -> None:
    """No waiting for the next look: the action wakes the engine."""
    office.phone.actions = type(office.phone.actions)(office.phone.store, office.engine)

    async def story() -> float:
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(office.engine.run_forever())
        changed = asyncio.Event()
        office.engine.subscribe(changed.set)
        while office.engine.status.reachable is not True:
            changed.clear()
            await changed.wait()
        began = loop.time()
        saved(office.phone.actions.accept(TICKET.id))
        while office.phone.store.counts().operations:
            changed.clear()
            await changed.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return loop.time() - began

    assert office.run(story()) < 2
