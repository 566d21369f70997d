"""Bytes to values and back. Everything that comes from outside is decoded here and nowhere else.

JSON (RFC 8259) by msgspec. A decoder answers with a value or with `Unreadable`; it never lets a parser's exception
(bad UTF-8, nesting past the interpreter's limit, numbers past 64 bits) reach its caller.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from shared_schema import apart
from shared_schema.apply import Filing
from shared_schema.identifiers import are_uuids_and_sha256, is_name, is_sha256, is_uuid
from shared_schema.operations import Envelope
from shared_schema.rejections import MalformedOperation, Rejection, UnknownOperation
from shared_schema.sync_protocol import OPERATION_BYTES, OPERATIONS_PER_ROUND, Change, RoundRequest, Verdict

T = TypeVar("T")

FAULTS = (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeError)
"""What a decoder of msgspec may raise. RecursionError: deep nesting; OverflowError: datetimes past year 9999."""

encode = msgspec.json.Encoder().encode


class Unreadable(Struct, frozen=True):
    """`place` is where in the message, as `$.ops[3].id`, and `reason` is for a developer's log, not for a person."""

    place: str
    reason: str


class UnreadableOperation(Struct, frozen=True):
    """An operation that is not understood, with as much of its envelope as could be read; its bytes are kept."""

    id: str | None
    sequence: int | None
    rejection: Rejection


class _Head(Struct, frozen=True):
    id: str
    sequence: int


class _KindOnly(Struct, frozen=True):
    kind: str


class _WithKind(Struct, frozen=True):
    operation: _KindOnly


class _Anything(Struct, frozen=True):
    """Any object."""


class _BareVerdict(Struct, frozen=True):
    id: str
    sequence: int
    filing: Any
    version: int = 0


_envelope = msgspec.json.Decoder(Envelope)
_envelopes = msgspec.json.Decoder(list[Envelope])
_with_kind = msgspec.json.Decoder(_WithKind)
_verdict = msgspec.json.Decoder(Verdict)
_bare_verdict = msgspec.json.Decoder(_BareVerdict)
_change: msgspec.json.Decoder[Change] = msgspec.json.Decoder(Change)

_BEGINNING_BYTES = 4096
"""An envelope names itself and its place in the journal long before."""
_PLACE = re.compile(r" - at `(\$[^`]*)`$")
_OPS = re.compile(rb'\s*"ops"\s*:')


def _place(fault: BaseException) -> str:
    found = _PLACE.search(str(fault))
    return found.group(1) if found else "$"


def decode(data: bytes | bytearray | memoryview, form: type[T]) -> T | Unreadable:
    """A whole message of the given form."""
    try:
        return msgspec.json.decode(data, type=form)
    except FAULTS as fault:
        return Unreadable(_place(fault), str(fault))


def decode_part(data: bytes | bytearray | memoryview, form: type[T]) -> T | Unreadable:
    """A `form` out of what stands at the beginning of an object, where something behind it may be no JSON at all."""
    whole = decode(data, form)
    if not isinstance(whole, Unreadable):
        return whole
    begun, _ = apart.members(bytes(data[:_BEGINNING_BYTES]), b"{")
    sound = [each for each in begun if each.strip() and not isinstance(decode(b"{%b}" % each, _Anything), Unreadable)]
    return decode(b"{%b}" % b",".join(sound), form)


def decode_round(data: bytes) -> RoundRequest | Unreadable:
    """A round which may hold operations that are no JSON at all: they, too, must not take their neighbours with them.

    Takes far longer than `decode`, which serves unless it has failed.
    """
    whole = decode(data, RoundRequest)
    if not isinstance(whole, Unreadable):
        return whole
    members, are_all = apart.members(data, b"{")
    operations = [member for member in members if _OPS.match(member)]
    rest = decode(b"{%b}" % b",".join(member for member in members if not _OPS.match(member)), RoundRequest)
    if not are_all or isinstance(rest, Unreadable) or len(operations) != 1:
        return whole
    pieces, are_all = apart.members(_OPS.sub(b"", operations[0], count=1), b"[")
    if not are_all or len(pieces) > OPERATIONS_PER_ROUND or not all(piece.strip() for piece in pieces):
        return whole
    return msgspec.structs.replace(rest, ops=[msgspec.Raw(piece) for piece in pieces])


def decode_envelope(raw: bytes | memoryview | msgspec.Raw) -> Envelope | UnreadableOperation:
    """One operation; what this version does not know is `UnknownOperation`, what is wrong is `MalformedOperation`."""
    data = memoryview(raw)
    try:
        if data.nbytes > OPERATION_BYTES:
            raise msgspec.ValidationError("too long - at `$`")
        envelope = _envelope.decode(data)
        if (place := _misnamed(envelope)) is None:
            return envelope
        raise msgspec.ValidationError(f"not an identifier - at `{place}`")
    except FAULTS as fault:
        rejection: Rejection = MalformedOperation(_place(fault))
        if isinstance(fault, msgspec.ValidationError) and str(fault).endswith(" - at `$.operation.kind`"):
            kind = _read(_with_kind, data)
            if kind is not None:
                rejection = UnknownOperation(kind.operation.kind[:100])
        # Read however long it is: without its number it would stand in the way of everything behind it in the journal.
        head = decode_part(data, _Head)
        if isinstance(head, Unreadable) or not is_uuid(head.id) or not 1 <= head.sequence < 2**53:
            return UnreadableOperation(None, None, rejection)
        return UnreadableOperation(head.id, head.sequence, rejection)


def decode_envelopes(raws: Sequence[bytes]) -> Sequence[Envelope | UnreadableOperation]:
    """As `decode_envelope` for each, in half the time where nothing is wrong with any of them.

    They are the members of one array as a decoder or `apart` has found them: joined again, none of them can be read as
    a part of its neighbour.
    """
    try:
        envelopes = _envelopes.decode(b"[%b]" % b",".join(raws))
        is_short = max(map(len, raws), default=0) <= OPERATION_BYTES
        if len(envelopes) == len(raws) and is_short and _are_named(envelopes):
            return envelopes
    except FAULTS:
        pass
    return [decode_envelope(raw) for raw in raws]


def _are_named(envelopes: Sequence[Envelope]) -> bool:
    """Whether all identifiers are what they should be."""
    names = {each.device for each in envelopes} | {each.actor.person for each in envelopes}
    others = "".join([f"{each.id}{each.ticket}{each.previous_hash}" for each in envelopes])
    return are_uuids_and_sha256(others) and all(map(is_name, names))


def _misnamed(envelope: Envelope) -> str | None:
    """The place of the first identifier that is none."""
    if _are_named([envelope]):
        return None
    places = {
        "$.id": is_uuid(envelope.id),
        "$.device": is_name(envelope.device),
        "$.ticket": is_uuid(envelope.ticket),
        "$.actor.person": is_name(envelope.actor.person),
        "$.previous_hash": is_sha256(envelope.previous_hash),
    }
    return next(place for place, is_right in places.items() if not is_right)


def decode_verdict(raw: bytes | memoryview | msgspec.Raw) -> Verdict | Unreadable:
    """A verdict; one refused for a reason this version does not know keeps everything but the reason."""
    try:
        return _verdict.decode(memoryview(raw))
    except FAULTS as fault:
        bare = _read(_bare_verdict, memoryview(raw))
        if bare is None or bare.filing != "refused":
            return Unreadable(_place(fault), str(fault))
        return Verdict(bare.id, bare.sequence, Filing.REFUSED, bare.version)


def decode_change(raw: bytes | memoryview | msgspec.Raw) -> Change | Unreadable:
    try:
        return _change.decode(memoryview(raw))
    except FAULTS as fault:
        return Unreadable(_place(fault), str(fault))


def hash_of(raw: bytes | memoryview | msgspec.Raw) -> str:
    """SHA-256, in hexadecimal, of an envelope's bytes: what the next envelope names as `previous_hash`."""
    return hashlib.sha256(raw).hexdigest()


def _read(decoder: "msgspec.json.Decoder[T]", data: memoryview) -> T | None:
    try:
        return decoder.decode(data)
    except FAULTS:
        return None
