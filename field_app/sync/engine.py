"""The sync engine: when to talk to the office, what to say, and what to do with whatever comes back.

A round sends what the office has not acknowledged, in order, takes its answer in one transaction (store), and goes on
until neither side has more to say; then come the photos. The engine decides nothing about tickets, and nothing that
goes wrong here touches what is on the phone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from field_app.device.contract import Device
from field_app.store import BYTES_PER_ROUND, Exchange, Identity, Store
from field_app.sync.photo_sender import Ended, PhotoSender
from field_app.sync.status import RoundOutcome, SyncStatus, UploadProgress
from shared_schema.operations import Clock
from shared_schema.sync_protocol import (
    OPERATIONS_PER_ROUND,
    PROTOCOL,
    Away,
    EnrolRequest,
    Offline,
    RefusedRequest,
    RoundReply,
    RoundRequest,
    SignedHead,
    SignedOut,
    SyncService,
    UpgradeRequired,
    head_text,
)

T = TypeVar("T")

IDLE_SECONDS = 10.0
UNREACHABLE_SECONDS = (3.0, 5.0)
"""At random in between, so that a hundred phones do not all knock when the office comes back."""
TURNED_AWAY_SECONDS = 60.0
"""While the office does not know this phone or wants a newer app. A new enrolment wakes the engine at once."""
LONGEST_RETRY_AFTER_SECONDS = 300.0
SLOW_SECONDS = 5.0
"""A request that took longer before it failed was perhaps too large for the network: the next carries half as much."""
SMALLEST_ROUND_BYTES = 16_000
PULL_AGAIN_SECONDS = 600.0
"""At most so often is everything pulled anew because the two sides differ: a lasting difference is a fault to be
looked at, not a reason to fetch the same list all day."""
SIGN_SECONDS = 5.0
"""So long may a signature take; without one the round goes all the same, and the office marks the work as unsigned."""
SIGN_AGAIN_SECONDS = 600.0
"""After it failed."""


class SyncEngine:
    def __init__(self, store: Store, service: SyncService, device: Device) -> None:
        self._store = store
        self._service = service
        self._device = device
        self._photos = PhotoSender(store, service, device, self._show_upload)
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()
        self._subscribers: list[Callable[[], None]] = []
        self._not_before = 0.0
        self._entries_limit = OPERATIONS_PER_ROUND
        self._bytes_limit = BYTES_PER_ROUND
        self._asking: asyncio.Future[RoundReply | Away] | None = None
        self._is_interrupted = False
        self._pulled_again_at: float | None = None
        self._signed: SignedHead | None = None
        self._signing_from = 0.0
        self.status = SyncStatus(
            last_round_at=store.last_round_at(),
            received_through=store.received_through(),
            signed_through=store.signed_through(),
            counts=store.counts(),
        )
        store.on_change(self._store_changed)

    # -- for the screens ----------------------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called after any change of status or store; returns the way to stop it."""
        self._subscribers.append(callback)

        def stop() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return stop

    def wake(self) -> None:
        """There may be something to do, or somebody to reach."""
        self._woken.set()

    async def enrol(self, key: str, device_name: str) -> Identity | Away:
        """Turn the one-time key of the QR code into this phone's identity. Safe to repeat after a lost reply."""
        async with self._turn:
            public_key = await self._in_time(self._device.signer.public_key)
            answer = await self._service.enrol(self._enrolment(key, device_name, public_key))
            is_of_another = isinstance(answer, RefusedRequest) and answer.code == "device-of-another-person"
            if is_of_another and self._store.may_become_another():  # else the entries would lose their owner
                self._store.enrol_as_new_device()
                answer = await self._service.enrol(self._enrolment(key, device_name, public_key))
            if isinstance(answer, UpgradeRequired):
                self._device.look_for_update()
            if isinstance(answer, Offline | SignedOut | UpgradeRequired | RefusedRequest):
                return answer
            identity = Identity(answer.device, answer.person, answer.name, answer.token)
            self._store.enrolled(identity)
            self._set(
                reachable=True,
                signed_out=False,
                received_through=self._store.received_through(),
                signed_through=self._store.signed_through(),
            )
        self.wake()
        return identity

    def _enrolment(self, key: str, device_name: str, public_key: bytes | None) -> EnrolRequest:
        return EnrolRequest(
            PROTOCOL,
            key.strip()[:200],
            self._store.enrolling_device(),
            device_name[:200],
            self._device.platform[:200],
            UNSET if public_key is None else public_key,
        )

    # -- for ever -----------------------------------------------------------------------------------------------------

    async def run_forever(self) -> None:
        """Ends only by cancellation: whatever goes wrong in one round is noted, and the next one comes."""
        self._device.on_maybe_online(self._hinted)
        while True:
            self._woken.clear()
            try:
                outcome = await self.run_round()
                pause = self._pause_after(outcome)
            except Exception as fault:  # a fault of ours in one round must not end all syncing
                self._note(fault)
                pause = UNREACHABLE_SECONDS[1]
            await self._rest(pause)

    def _hinted(self) -> None:
        """The network may be back: a request that was sent into the void is not worth waiting for any longer."""
        if self.status.reachable is False and self._asking is not None:
            self._is_interrupted = True
            self._asking.cancel()
        self.wake()

    def _pause_after(self, outcome: RoundOutcome) -> float:
        match outcome.away:
            case Offline(retry_after_seconds=None):
                least, most = UNREACHABLE_SECONDS
                return least + (most - least) * self._device.random_bytes(1)[0] / 255
            case Offline(retry_after_seconds=seconds):
                wanted = min(max(seconds or 0.0, UNREACHABLE_SECONDS[0]), LONGEST_RETRY_AFTER_SECONDS)
                self._not_before = self._device.monotonic() + wanted
                return wanted
            case SignedOut() | UpgradeRequired():
                return TURNED_AWAY_SECONDS
            case _:
                return TURNED_AWAY_SECONDS if outcome.upgrade else IDLE_SECONDS

    async def _rest(self, seconds: float) -> None:
        """Until it is time or somebody wakes us; not before the office wants to be asked again."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        remaining = self._not_before - self._device.monotonic()
        if remaining > 0:
            await asyncio.sleep(remaining)

    def _note(self, fault: Exception) -> None:
        self._set(syncing=False)
        try:
            self._store.record_incident("round-failed", f"{type(fault).__name__}: {fault}")
        except Exception:  # the store itself is what broke; the screens learn of it at the next thing they save
            self._set(reachable=None)

    # -- one round ----------------------------------------------------------------------------------------------------

    async def run_round(self) -> RoundOutcome:
        """One complete exchange: until neither side has more to say, and all photos are sent."""
        async with self._turn:
            if self._store.identity() is None:
                return RoundOutcome()
            counts = self._store.counts()
            # An idle look every few seconds is not worth a spinning wheel.
            self._set(syncing=self.status.reachable is not True or bool(counts.operations or counts.photos))
            try:
                outcome = await self._run_round()
            finally:
                self._set(syncing=False)
            self._set(
                reachable=not isinstance(outcome.away, Offline),
                signed_out=isinstance(outcome.away, SignedOut),
                upgrade_required=outcome.upgrade or isinstance(outcome.away, UpgradeRequired),
            )
            if self.status.upgrade_required:
                self._device.look_for_update()
            if outcome.away is None:
                self._store.proven()
            return outcome

    async def _run_round(self) -> RoundOutcome:
        done = RoundOutcome()
        while True:
            done = await self._exchange(done)
            if done.away is not None and not isinstance(done.away, UpgradeRequired | RefusedRequest):
                return done
            before = self._photos.received
            ended = await self._photos.send_waiting()
            done = replace(done, photos=done.photos + self._photos.received - before)
            if isinstance(ended, Ended):
                if ended is Ended.ALL_SENT or done.away is not None:
                    return done
            else:
                return replace(done, away=ended)

    async def _exchange(self, done: RoundOutcome) -> RoundOutcome:
        """Operations up, changes down."""
        limit = self._entries_limit
        refused: RefusedRequest | None = None
        times_set_back = 0
        while True:
            identity = self._store.identity()
            assert identity is not None
            asked = self._store.next_exchange(limit=limit, bytes_limit=self._bytes_limit)
            head = await self._head(identity, asked)
            before, began = self._device.now(), self._device.monotonic()
            answer = await self._ask(self._request(identity, asked, head))
            took = self._device.monotonic() - began
            if isinstance(answer, Offline) and took > SLOW_SECONDS:
                self._bytes_limit = max(SMALLEST_ROUND_BYTES, self._bytes_limit // 2)
            if isinstance(answer, RefusedRequest) and asked.entries:
                refused, limit = answer, self._less_than(len(asked.entries), answer)
                continue
            if not isinstance(answer, RoundReply):
                return replace(done, away=answer)
            self._entries_limit = min(OPERATIONS_PER_ROUND, max(1, limit * 2))
            if took < SLOW_SECONDS:
                self._bytes_limit = min(BYTES_PER_ROUND, self._bytes_limit * 2)
            taken = self._store.take_reply(asked, answer, _measured(before, took, answer.server_time_ms))
            done = replace(
                done,
                sent=done.sent + len(asked.entries),
                verdicts=done.verdicts + taken.verdicts,
                changes=done.changes + taken.changes,
                upgrade=answer.upgrade,
            )
            self._set(
                reachable=True,
                last_round_at=self._store.last_round_at(),
                received_through=self._store.received_through(),
                signed_through=self._store.signed_through(),
            )
            # What an older office finds to differ while operations are under way may differ for a good reason.
            pulls_again = answer.in_step is False and not asked.entries and self._pull_again()
            compares_yet = bool(asked.entries) and answer.in_step is not True and not answer.upgrade
            if limit == 0 and not answer.more:
                return replace(done, away=refused)
            times_set_back += answer.cursor < asked.cursor
            if times_set_back > 1:  # by an office that does not know its own answers again: there is no hurry
                self._store.record_incident("set-back-again", f"from {asked.cursor}")
                return done
            if not (answer.more or pulls_again or compares_yet or self._store.is_behind()):
                return done
            if not (taken.advanced or pulls_again):
                self._store.record_incident("round-without-progress", f"through {answer.received_through}")
                return done

    async def _ask(self, request: RoundRequest) -> RoundReply | Away:
        self._is_interrupted = False
        self._asking = asyncio.ensure_future(self._service.round(request))
        try:
            return await self._asking
        except asyncio.CancelledError:
            if not self._is_interrupted:
                raise
            return Offline()
        finally:
            self._asking = None

    def _request(self, identity: Identity, asked: Exchange, head: SignedHead | UnsetType) -> RoundRequest:
        return RoundRequest(
            protocol=PROTOCOL,
            device=identity.device,
            cursor=asked.cursor,
            ops=[Raw(raw) for _, raw in asked.entries],
            reference=asked.reference,
            holding=None if asked.more else self._store.holding(asked.entries),
            head=head,
            works_out=self._store.works_out if asked.entries else UNSET,
        )

    # -- the device's signature ---------------------------------------------------------------------------------------

    async def _head(self, identity: Identity, asked: Exchange) -> SignedHead | UnsetType:
        if asked.head is None:
            return UNSET
        sequence, hash_ = asked.head
        if self._signed is not None and (self._signed.sequence, self._signed.hash) == asked.head:
            return self._signed
        key = await self._in_time(self._device.signer.public_key)
        if key is None:
            return UNSET
        text = head_text(identity.device, sequence, hash_)
        signature = await self._in_time(lambda: self._device.signer.sign(text))
        if signature is None:
            return UNSET
        self._signed = SignedHead(sequence, hash_, key, signature)
        return self._signed

    async def _in_time(self, signing: Callable[[], Awaitable[T]]) -> T | None:
        """What the signer gives; None where it fails or takes its time, which must not hold up anything."""
        if self._device.monotonic() < self._signing_from:
            return None
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                return await signing()
        except Exception as fault:  # what a browser throws has no common ancestor
            self._signing_from = self._device.monotonic() + SIGN_AGAIN_SECONDS
            self._store.record_incident("signing-failed", f"{type(fault).__name__}: {fault}")
            return None

    def _less_than(self, tried: int, answer: RefusedRequest) -> int:
        """The request as a whole was refused: fewer operations next, and none, to hear the news at least, after one."""
        self._store.record_incident("round-refused", f"{answer.code}: {tried} operations")
        self._entries_limit = max(1, tried // 2)
        return tried // 2

    def _pull_again(self) -> bool:
        now = self._device.monotonic()
        if self._pulled_again_at is not None and now - self._pulled_again_at < PULL_AGAIN_SECONDS:
            return False
        self._pulled_again_at = now
        self._store.pull_everything_again("not in step")
        return True

    # -- status -------------------------------------------------------------------------------------------------------

    def _show_upload(self, progress: UploadProgress | None) -> None:
        self._set(upload=progress)

    def _store_changed(self) -> None:
        self.status = replace(self.status, counts=self._store.counts())
        self._tell()

    def _set(self, **changes: Any) -> None:
        status = replace(self.status, **changes)
        if status != self.status:
            self.status = status
            self._tell()

    def _tell(self) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber()
            except Exception as fault:  # a screen that cannot draw itself must not stop what it shows from being sent
                self._store.record_incident("subscriber-failed", f"{type(fault).__name__}: {fault}")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _measured(before: datetime, took_seconds: float, server_time_ms: int) -> Clock:
    """The office read its clock at some moment between asking and hearing: the middle, plus or minus half of it.

    Anchored to the moment of hearing, half the way after it read its clock.
    """
    half_ms = took_seconds * 1000 / 2
    device_ms = (before - _EPOCH) / timedelta(milliseconds=1) + half_ms
    offset_ms = round(server_time_ms - device_ms)
    anchored_at_ms = round(server_time_ms + half_ms)
    return Clock(_within(-(2**50), offset_ms), round(half_ms) + 1, _within(0, anchored_at_ms))


def _within(least: int, value: int) -> int:
    return max(least, min(2**50, value))
