"""Making a rescue file: what the office has not confirmed, sealed so that only the office can read it.

It needs no network and no permission: it works offline, signed out and revoked. The form is shared_schema.rescue's;
handing the file on is the device's (`share`). The whole journal goes in, because envelopes are small and a restored
office may miss more than it said; of the photos those it has not received; and every draft.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from enum import Enum

import msgspec
from msgspec import UNSET, Struct

from field_app.device.contract import Device, Seal
from field_app.store import PhotoState, Rescued, StorageUnavailable, Store
from shared_schema.credentials import Reference
from shared_schema.rescue import (
    ENDING,
    HKDF_INFO,
    MAGIC,
    DraftRecord,
    EnvelopeRecord,
    PhotoRecord,
    RescueHeader,
    associated_data,
    framed,
    in_chunks,
    nonce,
    record_bytes,
    signed_text,
)


class WhyNot(str, Enum):
    NO_OFFICE_KEY = "no-office-key"
    """The office has never told this phone the key its rescue files are sealed for (or one that is no key)."""
    NOBODY = "nobody"
    """This phone has never been enrolled."""


class NotPossible(Struct, frozen=True):
    reason: WhyNot


def rescue_name(store: Store, device: Device) -> str:
    """Of the file, by the phone's own clock: doorstep-20260302-0917-… ."""
    whose = (store.device_of_journal() or "phone")[-6:]
    return f"doorstep-{device.now().astimezone():%Y%m%d-%H%M%S}-{whose}{ENDING}"


def covered(store: Store, device: Device, name: str) -> Rescued:
    """What a file made now holds: to be noted (`Store.rescue_taken`) once it has been handed on."""
    photos = tuple(photo.sha256 for photo in store.photos_waiting())
    return Rescued(device.now(), name, store.last_row(), photos, store.drafts_digest())


async def make_rescue_file(
    store: Store, device: Device, reference: Reference | None
) -> AsyncIterator[bytes] | NotPossible:
    """The file's bytes, piece by piece; each piece is at most about 1 MB. What is recorded while it is being made
    stays out of it. Raises SigningFailed where the key is there and cannot be used."""
    who, person = store.device_of_journal(), store.person_of_journal()
    if who is None or person is None:
        return NotPossible(WhyNot.NOBODY)
    if reference is None or not isinstance(reference.rescue_key, bytes):
        return NotPossible(WhyNot.NO_OFFICE_KEY)
    salt = device.random_bytes(32)
    try:
        seal = await device.sealer.agree(reference.rescue_key, salt, HKDF_INFO)
    except ValueError:
        return NotPossible(WhyNot.NO_OFFICE_KEY)
    signing_key = await device.signer.public_key()
    header = RescueHeader(
        device=who,
        person=person,
        made_at_ms=max(0, round(device.now().timestamp() * 1000)),
        office_key=hashlib.sha256(reference.rescue_key).hexdigest(),
        ephemeral_key=seal.ephemeral_key,
        salt=salt,
        signing_key=UNSET if signing_key is None else signing_key,
    )
    records = _records(store, store.last_row(), store.photos_waiting(), store.drafts())
    return _file(device, seal, header, records)


async def _file(device: Device, seal: Seal, header: RescueHeader, records: Iterator[bytes]) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()

    def told(piece: bytes) -> bytes:
        digest.update(piece)
        return piece

    head = msgspec.json.encode(header)
    yield told(MAGIC + framed(head))
    for number, (chunk, is_last) in enumerate(in_chunks(records)):
        sealed = await seal.sealed(chunk, nonce(number), associated_data(head, is_last=is_last))
        yield told(framed(sealed))
    yield told(framed(b""))
    if isinstance(header.signing_key, bytes):
        yield await device.signer.sign(signed_text(digest.digest()))


def _records(store: Store, through: int, photos: list[PhotoState], drafts: list[tuple[str, bytes]]) -> Iterator[bytes]:
    """Read from the store as they are needed: the photos together may be larger than the memory."""
    row = 0
    while entries := store.journal_after(row, through):
        for row, raw in entries:  # noqa: B007 — the last one is where the next page begins
            yield record_bytes(EnvelopeRecord(len(raw)), raw)
    for photo in photos:
        data: bytes | None = None
        with suppress(StorageUnavailable):  # one that the disk has lost must not keep everything else from leaving
            data = store.photo(photo.sha256)
        if data is not None:
            yield record_bytes(PhotoRecord(len(data), photo.sha256, photo.media_type), data)
    for key, body in drafts:
        yield record_bytes(DraftRecord(len(body), key), body)
