"""The office, reached over HTTP: SyncService's calls as requests, and every way in which the world can be away.

Nothing that comes back is trusted to be from the office until it reads like it: a captive portal answers 200 with a
page, a proxy cuts a body short, a hotel answers 511. All of that is Offline. The rounds' binding is in
docs/sync-protocol.md, that of photos is tus 1.0 (https://tus.io/protocols/resumable-upload) with its creation,
creation-with-upload and checksum extensions.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from msgspec import Raw, Struct

from field_app.store import Store
from shared_schema.sync_protocol import (
    PROTOCOL,
    Away,
    EnrolReply,
    EnrolRequest,
    Offline,
    PhotosOffered,
    PhotosUnheld,
    RefusedRequest,
    RoundReply,
    RoundRequest,
    SignedOut,
    UpgradeRequired,
    Upload,
)
from shared_schema.wire import Unreadable, decode, encode

T = TypeVar("T")

PATIENCE_SECONDS = (10.0, 240.0)
"""The least and the most for one request from beginning to end: httpx's own limits are per read and write, a browser
has none at all. A network that swallows everything is given up on early; each request that ran out of time doubles
the patience of the next, so that a very slow network is told from it and still gets through."""

_TUS = {"Tus-Resumable": "1.0.0"}
_UPLOADS = "/sync/v1/uploads/"
_UNHELD = "/sync/v1/photos/unheld"


class _Problem(Struct):
    """RFC 9457, as far as it matters here."""

    code: str
    detail: str = ""


class _Spoken(Struct):
    protocol: int


class OfficeOverHttp:
    """Implements shared_schema.sync_protocol.SyncService."""

    def __init__(self, client: httpx.AsyncClient, store: Store) -> None:
        """`client` has the office's address as its base_url; `store` says who is asking."""
        self._client = client
        self._store = store
        self._patience = PATIENCE_SECONDS[0]

    # -- SyncService --------------------------------------------------------------------------------------------------

    async def enrol(self, request: EnrolRequest) -> EnrolReply | Away:
        answer = await self._send("POST", "/sync/v1/enrol", content=encode(request), headers=_JSON)
        if isinstance(answer, SignedOut):  # nobody was signed in yet: it is the key that is not accepted
            return RefusedRequest(answer.code)
        return answer if not isinstance(answer, httpx.Response) else _read(answer, EnrolReply)

    async def round(self, request: RoundRequest) -> RoundReply | Away:
        counts = self._store.counts()
        headers = _JSON | {"Doorstep-Holding": f"operations={counts.operations}; photos={counts.photos}"}
        answer = await self._send("POST", "/sync/v1/round", content=encode(request), headers=headers)
        if not isinstance(answer, httpx.Response):
            return answer
        reply = _round_reply(answer.content)
        if isinstance(reply, RoundReply) and (reply.protocol == PROTOCOL or reply.upgrade):
            return reply
        spoken = decode(answer.content, _Spoken)
        return UpgradeRequired() if isinstance(spoken, _Spoken) and spoken.protocol != PROTOCOL else Offline()

    async def unheld_photos(self, photos: Sequence[str]) -> PhotosUnheld | Away:
        asked = encode(PhotosOffered(list(photos)))
        answer = await self._send("POST", _UNHELD, content=asked, headers=_JSON)
        return answer if not isinstance(answer, httpx.Response) else _read(answer, PhotosUnheld)

    async def begin_upload(self, sha256: str, size_bytes: int, media_type: str, first: bytes = b"") -> Upload | Away:
        headers = _TUS | {
            "Upload-Length": str(size_bytes),
            "Upload-Metadata": f"sha256 {_base64(sha256.encode())},media_type {_base64(media_type.encode())}",
        }
        if first:
            headers["Content-Type"] = "application/offset+octet-stream"
        if 0 < len(first) < size_bytes:  # over the whole stands its SHA-256 above, and what a cut leaves of it is kept
            headers["Upload-Checksum"] = f"sha256 {_base64(hashlib.sha256(first).digest())}"
        answer = await self._send("POST", _UPLOADS, content=first, headers=headers)
        if not isinstance(answer, httpx.Response):
            return answer
        location = answer.headers.get("location")
        if answer.status_code != 201 or not location:
            return Offline()
        return _upload(_path(location), answer.headers.get("upload-offset", "0"), size_bytes)

    async def resume_upload(self, location: str, size_bytes: int) -> Upload | Away:
        answer = await self._send("HEAD", location, headers=_TUS)
        if not isinstance(answer, httpx.Response):
            return answer
        return _upload(location, answer.headers.get("upload-offset"), size_bytes)

    async def send_chunk(self, upload: Upload, chunk: bytes, size_bytes: int) -> Upload | Away:
        headers = _TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(upload.offset),
            "Upload-Checksum": f"sha256 {_base64(hashlib.sha256(chunk).digest())}",
        }
        answer = await self._send("PATCH", upload.location, content=chunk, headers=headers)
        if not isinstance(answer, httpx.Response):
            return answer
        return _upload(upload.location, answer.headers.get("upload-offset"), size_bytes)

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    async def _send(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str]
    ) -> httpx.Response | Away:
        """A successful answer, or how the world is away."""
        least, most = PATIENCE_SECONDS
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._patience):
                response = await self._client.request(
                    method,
                    path,
                    content=content,
                    headers={**headers, **self._who()},
                    timeout=self._patience,
                    follow_redirects=False,
                )
        except (TimeoutError, httpx.TimeoutException):
            self._patience = min(most, self._patience * 2)
            return Offline()
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            self._patience = least
            return Offline()
        except asyncio.CancelledError:
            self._patience = least
            raise
        self._patience = min(most, max(least, 3 * (clock() - began)))
        if response.is_success:
            return response
        return _away(response)

    def _who(self) -> dict[str, str]:
        identity = self._store.identity()
        language = self._store.setting("language")
        who = {} if identity is None else {"Authorization": f"Bearer {identity.token}"}
        return who if language is None else who | {"Accept-Language": language}


_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def _away(response: httpx.Response) -> Away:
    problem = decode(response.content, _Problem)
    code = problem.code if isinstance(problem, _Problem) else response.headers.get("doorstep-problem", "")
    detail = problem.detail if isinstance(problem, _Problem) else ""
    is_page = "html" in response.headers.get("content-type", "")
    match response.status_code:
        case 401 if code or not is_page:
            return SignedOut(code or "device-unknown")
        case 426:
            return UpgradeRequired()
        case (
            408 | 429
        ):  # the office stopped waiting for a slow network, or wants to be asked later: nothing was refused
            return Offline(_retry_after_seconds(response))
        case 413:  # also where a proxy in front of the office says it, in its own words
            return RefusedRequest(code or "request-too-large", detail)
        case status if status >= 500:
            return Offline(_retry_after_seconds(response))
        case status if 400 <= status < 500 and code:
            return RefusedRequest(code, detail)
        case _:
            return Offline(_retry_after_seconds(response))


def _round_reply(content: bytes) -> RoundReply | Unreadable:
    """What there is to look up may be of a form that this app does not know: what was received, and what is new, is
    told all the same, and what was there to look up before stays."""
    whole = decode(content, RoundReply)
    if not isinstance(whole, Unreadable) or not whole.place.startswith("$.reference"):
        return whole
    members = decode(content, dict[str, Raw])
    if isinstance(members, Unreadable):
        return whole
    del members["reference"]
    return decode(encode(members), RoundReply)


def _read(response: httpx.Response, form: type[T]) -> T | Offline:
    value = decode(response.content, form)
    return Offline() if isinstance(value, Unreadable) else value


def _upload(location: str, offset: str | None, size_bytes: int) -> Upload | Away:
    if offset is None or not (offset.isascii() and offset.isdigit()) or int(offset) > size_bytes:
        return Offline()  # somebody else answered
    return Upload(location, int(offset), int(offset) == size_bytes)


def _path(location: str) -> str:
    """Without scheme and host: the token is never sent anywhere but to the office, whatever a Location says."""
    url = httpx.URL(location)
    return url.raw_path.decode("ascii")


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """RFC 9110, section 10.2.3: seconds or a date; a date is held against the office's own clock."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
        said = response.headers.get("date")
        now = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):  # no such header, or not a date
        return None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
