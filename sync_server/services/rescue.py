"""Taking in rescue files: what a phone still held reaches the office by whatever way, as if the phone had sent it.

The file is believed as the phone is: by the signature of a key that is the device's. Its operations go through
services.operations into the device's journal, also when the device was turned away or its person has left; what stands
behind a gap is kept until those before it come; photos go where photos are, drafts where the desk sees them. Taking the
same file in again changes nothing.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.lifecycle import Role
from shared_schema.operations import Envelope
from shared_schema.rescue import DraftRecord, EnvelopeRecord, NotARescueFile, PhotoRecord, Record
from shared_schema.sync_protocol import OPERATIONS_PER_ROUND, Verdict
from sync_server.clock import Clock, milliseconds
from sync_server.services.operations import Arrived, arrived, receive
from sync_server.services.photo_files import NotAPicture, OutOfRoom, PhotoFiles, Stored
from sync_server.services.rescue_files import SealedFile, made_key_pair, sealed_file, unsealed
from sync_server.services.signatures import is_signed_by
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.attention import RescuedDraft, RescuedOperation
from sync_server.storage.keys import RESCUE, DeviceKey, Secret
from sync_server.storage.people import Person
from sync_server.storage.rescues import Rescue
from sync_server.storage.uploads import BEGIN, StoredUpload, UploadState, begun_row

MAY_VOUCH = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
"""Who may decide to believe a file that no key of its device stands behind."""

_BATCH_BYTES = 8_000_000


class RescueReport(Struct, frozen=True, kw_only=True):
    """What was in a rescue file, and what became of it."""

    device: str
    person: str
    """Whose phone it was."""
    made_at_ms: int
    """By the phone's clock."""
    is_signed: bool
    """By a key of the device; otherwise somebody has vouched for it."""
    came_before: bool
    """This very file has been taken in before."""
    received_through: int
    """Up to here the office now holds the device's journal."""
    operations_new: int = 0
    """Have got their place in the journal, or were set aside from it, by this."""
    operations_refused: int = 0
    """Of the new ones; they wait in the queue like any other."""
    operations_known: int = 0
    operations_waiting: int = 0
    """Stand behind a gap in the journal, from this and earlier files: kept until those before them come."""
    operations_unreadable: int = 0
    """Cannot be given any place: their bytes are kept."""
    photos_new: int = 0
    photos_known: int = 0
    photos_unfit: int = 0
    """No picture, or not the bytes that were recorded: kept apart."""
    drafts_new: int = 0
    drafts_known: int = 0


class RescueRefused(Struct, frozen=True):
    """Nothing of it was taken in.

    `not-a-rescue-file`, `damaged` (cut short or altered: ask for it again), `another-office` (sealed for a key that is
    not ours), `device-unknown`, `key-unknown` (signed, but by no key of this device), `signature-wrong`,
    `signature-missing` (by a device that has a key), `not-vouched-for` (the device never had a key: a supervisor may
    decide to believe it).
    """

    code: Literal[
        "not-a-rescue-file",
        "damaged",
        "another-office",
        "device-unknown",
        "key-unknown",
        "signature-wrong",
        "signature-missing",
        "not-vouched-for",
    ]


class _Known(Struct, frozen=True):
    """What the database says before a file is opened."""

    secret: Secret | None
    person: Person | None
    keys: list[DeviceKey]
    came_before: bool


class RescueDesk:
    def __init__(self, storage: Storage, photo_files: PhotoFiles, clock: Clock, on_photos: Callable[[], None]) -> None:
        """`on_photos` is called when photos have come out of a file."""
        self._storage = storage
        self._photo_files = photo_files
        self._clock = clock
        self._on_photos = on_photos

    async def prepare(self) -> None:
        """Have a key that phones can seal rescue files for, made once for the life of the office."""
        if await self._storage.read(lambda reading: reading.keys.secret(RESCUE)) is not None:
            return
        secret = Secret(*made_key_pair(), self._now_ms())

        def keep(writing: Writing) -> None:
            if writing.keys.keep_secret(RESCUE, secret):
                writing.feed.reference_changed()

        await self._storage.write(keep)

    async def take_in(self, path: Path, by: Person, *, vouched: bool = False) -> RescueReport | RescueRefused:
        """Take in the file at `path`; `vouched`: `by` believes it although its device never had a key.

        Raises OutOfRoom, or StorageUnavailable; then taking it in again goes on where it stopped.
        """
        try:
            file = await asyncio.to_thread(sealed_file, path)
        except NotARescueFile:
            return RescueRefused("not-a-rescue-file")
        known = await self._storage.read(lambda reading: _known(reading, file))
        if known.secret is None or file.header.office_key != wire.hash_of(known.secret.public):
            return RescueRefused("another-office")
        if known.person is None:
            return RescueRefused("device-unknown")
        if (refused := _not_believed(file, known.keys, may_vouch=vouched and by.role in MAY_VOUCH)) is not None:
            return refused
        try:
            await asyncio.to_thread(_check_all, file, known.secret.private)
        except NotARescueFile:
            return RescueRefused("damaged")
        taking = _TakingIn(self._storage, self._photo_files, file.header.device, known.person, self._now_ms)
        await taking.take(unsealed(file, known.secret.private), file.header.made_at_ms)
        if taking.photos_new:
            self._on_photos()
        return await self._storage.write(lambda writing: taking.note(writing, file, by, known))

    async def place_waiting(self) -> None:
        """Give operations their place that waited for others which the phone has sent by itself since."""
        waiting = await self._storage.read(lambda reading: reading.attention.waiting_by_device())
        for device in waiting:
            person = await self._storage.read(partial(_owner, device=device))
            if person is not None:
                await _TakingIn(self._storage, self._photo_files, device, person, self._now_ms).place_waiting()

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _known(reading: Reading, file: SealedFile) -> _Known:
    device = file.header.device
    return _Known(
        reading.keys.secret(RESCUE),
        _owner(reading, device),
        reading.keys.of_device(device),
        reading.rescues.was_taken_in(file.file_sha256),
    )


def _owner(reading: Reading, device: str) -> Person | None:
    """Whose phone it is, also where it was turned away or its person works here no more."""
    owner = reading.people.device_owner(device)
    return reading.people.person(owner) if owner is not None else None


def _not_believed(file: SealedFile, keys: Sequence[DeviceKey], *, may_vouch: bool) -> RescueRefused | None:
    key = file.header.signing_key
    if key is UNSET:
        if keys or file.signature:
            return RescueRefused("signature-missing")
    elif not is_signed_by(key, file.signed, file.signature):
        return RescueRefused("signature-wrong" if file.signature else "signature-missing")
    elif keys and key not in {each.key for each in keys}:
        return RescueRefused("key-unknown")
    return None if keys or may_vouch else RescueRefused("not-vouched-for")


def _held_elsewhere(reading: Reading, brought: Sequence[Arrived]) -> set[str]:
    """The ids of those that the office has from whichever device they are of."""
    entries = {each.id: reading.journal.by_id(each.id) for each in brought}
    return {each.id for each in brought if (entry := entries[each.id]) is not None and entry.raw == each.raw}


def _check_all(file: SealedFile, private: bytes) -> None:
    """Open everything once before anything is kept. Raises NotARescueFile."""
    for _ in unsealed(file, private):
        pass


class _TakingIn:
    """One device's rescued work on its way to where it belongs."""

    def __init__(
        self, storage: Storage, photo_files: PhotoFiles, device: str, person: Person, now_ms: Callable[[], int]
    ) -> None:
        self._storage = storage
        self._photo_files = photo_files
        self._device = device
        self._person = person
        self._now_ms = now_ms
        self._new = self._refused = self._known = self._unreadable = 0
        self.photos_new = self._photos_known = self._photos_unfit = 0
        self._drafts_new = self._drafts_known = 0

    async def take(self, records: Iterator[tuple[Record, bytes]], made_at_ms: int) -> None:
        while batch := await asyncio.to_thread(_batch, records):
            brought = [arrived(body) for head, body in batch if isinstance(head, EnvelopeRecord)]
            if brought:
                await self._receive(brought)
            for head, body in batch:
                if isinstance(head, PhotoRecord):
                    await self._keep_photo(head, body)
                elif isinstance(head, DraftRecord):
                    await self._keep_draft(head, body, made_at_ms)
        await self.place_waiting()

    def note(self, writing: Writing, file: SealedFile, by: Person, known: _Known) -> RescueReport:
        report = RescueReport(
            device=self._device,
            person=self._person.id,
            made_at_ms=file.header.made_at_ms,
            is_signed=bool(known.keys),
            came_before=known.came_before,
            received_through=writing.journal.received_through(self._device),
            operations_new=self._new,
            operations_refused=self._refused,
            operations_known=self._known,
            operations_waiting=writing.attention.count_waiting(self._device),
            operations_unreadable=self._unreadable,
            photos_new=self.photos_new,
            photos_known=self._photos_known,
            photos_unfit=self._photos_unfit,
            drafts_new=self._drafts_new,
            drafts_known=self._drafts_known,
        )
        noted = Rescue(
            file.file_sha256,
            file.size_bytes,
            self._device,
            file.header.made_at_ms,
            self._now_ms(),
            by.id,
            wire.encode(report),
        )
        writing.rescues.note(noted)
        return report

    # -- operations ----------------------------------------------------------------------------------------------------

    async def _receive(self, brought: Sequence[Arrived]) -> None:
        at_ms = self._now_ms()
        others = [each for each in brought if self._is_of_another(each)]
        placeable = [each for each in brought if each.sequence and not self._is_of_another(each)]
        new, refused, waits = await self._storage.write(lambda writing: self._place(writing, placeable, at_ms))
        held = await self._storage.read(lambda reading: _held_elsewhere(reading, others))
        self._new += new
        self._refused += refused
        self._known += len(placeable) - new - waits + len(held)
        # What cannot be read, and what this device's key cannot speak for: for a person to look at.
        unplaceable = [each for each in brought if not each.sequence]
        unplaceable += [replace(each, sequence=0) for each in others if each.id not in held]
        if unplaceable:
            await self._storage.write(lambda writing: self._keep_waiting(writing, unplaceable, at_ms))
            self._unreadable += len(unplaceable)

    def _is_of_another(self, each: Arrived) -> bool:
        """Apps used to put what a phone had recorded as an earlier device into the same file. Those journals begin at 1
        as well, and must not take the numbers of this one."""
        return isinstance(each.read, Envelope) and each.read.device != self._device

    async def place_waiting(self) -> None:
        """Of what stood behind a gap, everything that does so no more."""
        while True:
            new, refused, placed = await self._storage.write(self._place_waiting)
            self._new += new
            self._refused += refused
            if not placed:
                return

    def _place_waiting(self, writing: Writing) -> tuple[int, int, int]:
        through = writing.journal.received_through(self._device)
        waiting = writing.attention.waiting(
            self._device, through=through + OPERATIONS_PER_ROUND, limit=OPERATIONS_PER_ROUND
        )
        if not waiting or waiting[0].sequence > through + 1:
            return 0, 0, 0
        new, refused, _ = self._place(writing, [arrived(each.raw) for each in waiting], self._now_ms())
        through = writing.journal.received_through(self._device)
        placed = [each for each in waiting if each.sequence <= through]
        writing.attention.no_longer_waiting(placed)
        return new, refused, len(placed)

    def _place(self, writing: Writing, brought: Sequence[Arrived], at_ms: int) -> tuple[int, int, int]:
        """How many were new, how many of those were refused, and how many stand behind a gap."""
        known = self._held(writing, brought)
        verdicts = receive(writing, self._device, self._person, brought, at_ms)
        through = writing.journal.received_through(self._device)
        behind = [each for each in brought if each.sequence > through]
        if behind:
            self._keep_waiting(writing, behind, at_ms)
        new = {(each.sequence, each.hash) for each in brought if each.sequence <= through} - known
        fresh = {each.id for each in brought if (each.sequence, each.hash) in new}
        refused = {verdict.id for verdict in map(_verdict, verdicts) if verdict.filing is Filing.REFUSED}
        return len(new), len(fresh & refused), len(behind)

    def _held(self, writing: Writing, brought: Sequence[Arrived]) -> set[tuple[int, str]]:
        """Those that the office has, in the journal or set aside from it, by number and hash."""
        numbers = {each.sequence for each in brought}
        placed = writing.journal.held(self._device, numbers).values()
        return {(entry.sequence, wire.hash_of(entry.raw)) for entry in placed} | writing.journal.aside(
            self._device, numbers
        )

    def _keep_waiting(self, writing: Writing, brought: Sequence[Arrived], at_ms: int) -> None:
        writing.attention.keep_waiting(
            [
                RescuedOperation(
                    self._device,
                    each.sequence,
                    each.hash,
                    each.id,
                    each.read.ticket if isinstance(each.read, Envelope) else None,
                    at_ms,
                    each.raw,
                )
                for each in brought
            ]
        )

    # -- what is no operation ------------------------------------------------------------------------------------------

    async def _keep_photo(self, head: PhotoRecord, body: bytes) -> None:
        files = self._photo_files
        if await files.make_certain_aside(head.sha256):
            self._photos_known += 1
            return await self._note_photo(head.sha256, len(body), UploadState.SET_ASIDE)
        if (held_bytes := await files.make_certain(head.sha256)) is not None:
            self._photos_known += 1
            return await self._note_photo(head.sha256, held_bytes, UploadState.RECEIVED)
        if not files.has_room_for(len(body)):
            raise OutOfRoom
        match await files.store(body):
            case Stored(sha256=head.sha256, size_bytes=size_bytes):
                self.photos_new += 1
                await self._note_photo(head.sha256, size_bytes, UploadState.RECEIVED)
            case NotAPicture(sha256=head.sha256):
                self._photos_unfit += 1
                await self._note_photo(head.sha256, len(body), UploadState.SET_ASIDE)
            case _:
                self._photos_unfit += 1
        return None

    async def _note_photo(self, sha256: str, size_bytes: int, state: UploadState) -> None:
        """As if the phone had sent it: whoever checks the office, or saves it, has to look for it from now on."""
        at_ms = self._now_ms()
        arrived = StoredUpload(
            id=secrets.token_hex(16),
            device=self._device,
            person=self._person.id,
            sha256=sha256,
            size_bytes=size_bytes,
            state=state,
            begun_at_ms=at_ms,
            expires_at_ms=at_ms,
        )

        def note(writing: Writing) -> None:
            if not writing.uploads.has_arrived(arrived.person, sha256):
                writing.execute(BEGIN, [begun_row(arrived)])

        await self._storage.write(note)

    async def _keep_draft(self, head: DraftRecord, body: bytes, made_at_ms: int) -> None:
        draft = RescuedDraft(
            device=self._device,
            key=head.key,
            hash=wire.hash_of(body),
            person=self._person.id,
            body=body,
            made_at_ms=made_at_ms,
            taken_in_at_ms=self._now_ms(),
        )
        if await self._storage.write(lambda writing: writing.attention.keep_draft(draft)):
            self._drafts_new += 1
        else:
            self._drafts_known += 1


def _batch(records: Iterator[tuple[Record, bytes]]) -> list[tuple[Record, bytes]]:
    """As many of the following as are taken in together; empty where there are no more."""
    batch: list[tuple[Record, bytes]] = []
    size_bytes = 0
    for head, body in records:
        batch.append((head, body))
        size_bytes += len(body)
        if len(batch) == OPERATIONS_PER_ROUND or size_bytes >= _BATCH_BYTES:
            break
    return batch


def _verdict(raw: bytes) -> Verdict:
    verdict = wire.decode_verdict(raw)
    assert isinstance(verdict, Verdict), verdict
    return verdict
