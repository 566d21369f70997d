"""tus 1.0 clause by clause: a client that knows the protocol and nothing of this office (https://tus.io/protocols).

Each test is named by what the protocol demands of a server, extensions included that OPTIONS announces. A second judge
is tuspy, on photos of a camera's size; how the office keeps what arrives is tested in test_uploads.
"""

import base64
import hashlib
import io
import random
import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tusclient import client as tuspy

from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.storage import Storage
from tests.sync_server.office import CHEN, Office, StandingClock
from tests.sync_server.serving import PATIENCE_SECONDS, READ_BEFORE_ITS_END, served, until

PHOTO = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(3_000_000)
PIECE = {"Content-Type": "application/offset+octet-stream"}


class Client:
    """tus as the protocol has it; `token` is the one thing it was told about this office."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
        self.http = httpx.Client(headers=self.headers, timeout=PATIENCE_SECONDS)

    def creates(self, data: bytes, **headers: str) -> httpx.Response:
        return self.brings(data, b"", headers)

    def brings(self, data: bytes, content: bytes, headers: dict[str, str]) -> httpx.Response:
        named = base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
        usual = {"Upload-Length": str(len(data)), "Upload-Metadata": f"sha256 {named}"}
        return self.http.post(self.url, headers=usual | headers, content=content)

    def created(self, data: bytes) -> str:
        answer = self.creates(data)
        assert answer.status_code == 201, answer.text
        return str(httpx.URL(self.url).join(answer.headers["Location"]))

    def patches(self, upload: str, offset: int | str, data: bytes, **headers: str) -> httpx.Response:
        return self.http.patch(upload, headers=PIECE | {"Upload-Offset": str(offset)} | headers, content=data)

    def offset(self, upload: str) -> int:
        answer = self.http.head(upload)
        assert answer.status_code in {200, 204}
        return int(answer.headers["Upload-Offset"])


@pytest.fixture
def client(settings: Settings, storage: Storage, clock: StandingClock) -> Iterator[Client]:
    phone = Office(storage, clock, None).phone(CHEN)  # type: ignore[arg-type]
    with served(create_app(settings, storage, clock)) as address:
        client = Client(f"{address}/sync/v1/uploads", phone.token)
        yield client
        client.http.close()


# -- core ----------------------------------------------------------------------------------------------------------


def test_head_tells_offset_and_length_and_must_not_be_cached(client: Client) -> None:
    """The offset even where it is 0."""
    answer = client.http.head(client.created(PHOTO))
    assert answer.headers["Upload-Offset"] == "0"
    assert answer.headers["Upload-Length"] == str(len(PHOTO))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Tus-Resumable"] == "1.0.0"


def test_head_of_what_does_not_exist_has_no_offset(client: Client) -> None:
    answer = client.http.head(f"{client.url}/{'0' * 32}")
    assert answer.status_code in {403, 404, 410}
    assert "Upload-Offset" not in answer.headers


def test_patch_appends_at_the_offset_and_says_the_new_one(client: Client) -> None:
    upload = client.created(PHOTO)
    for begin in range(0, len(PHOTO), 700_000):
        piece = PHOTO[begin : begin + 700_000]
        answer = client.patches(upload, begin, piece)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(begin + len(piece)))
        assert answer.content == b""
    assert client.offset(upload) == len(PHOTO)


@pytest.mark.parametrize("offset", ["1", "3000000000", "-1", "x"])
def test_patch_at_another_offset_changes_nothing(client: Client, offset: str) -> None:
    upload = client.created(PHOTO)
    answer = client.patches(upload, offset, b"abc")
    assert answer.status_code in ({409} if offset == "1" else {400, 409, 413})
    assert client.offset(upload) == 0


def test_patch_of_another_media_type_is_415(client: Client) -> None:
    upload = client.created(PHOTO)
    assert client.patches(upload, 0, b"abc", **{"Content-Type": "image/jpeg"}).status_code == 415
    assert client.offset(upload) == 0


def test_patch_of_what_does_not_exist_is_404(client: Client) -> None:
    assert client.patches(f"{client.url}/{'0' * 32}", 0, b"abc").status_code == 404


def test_a_connection_cut_in_the_middle_keeps_what_arrived(client: Client) -> None:
    """The server SHOULD store as much as possible; the client goes on from the offset it is told."""
    upload = client.created(PHOTO)
    where = urlsplit(upload)
    head = [f"PATCH {where.path} HTTP/1.1", "Host: office", "Upload-Offset: 0", f"Content-Length: {len(PHOTO)}"]
    head += [f"{name}: {value}" for name, value in (client.headers | PIECE).items()]
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + PHOTO[:READ_BEFORE_ITS_END])
    until(lambda: client.offset(upload) == READ_BEFORE_ITS_END)
    assert client.patches(upload, READ_BEFORE_ITS_END, PHOTO[READ_BEFORE_ITS_END:]).status_code == 204


def test_more_than_the_length_is_never_taken(client: Client) -> None:
    upload = client.created(PHOTO[:5])
    answer = client.http.patch(upload, headers=PIECE | {"Upload-Offset": "0"}, content=iter([b"a" * 100, b"b" * 100]))
    assert 400 <= answer.status_code < 500
    assert client.offset(upload) <= 5


def test_options_needs_no_version_and_names_versions_and_extensions(client: Client) -> None:
    answer = httpx.options(client.url, timeout=PATIENCE_SECONDS)
    assert answer.status_code in {200, 204}
    assert "1.0.0" in answer.headers["Tus-Version"].split(",")
    assert int(answer.headers["Tus-Max-Size"]) > 0
    extensions = {"creation", "creation-with-upload", "checksum", "termination", "expiration"}
    assert set(answer.headers["Tus-Extension"].split(",")) == extensions


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_is_412_and_not_processed(client: Client, method: str) -> None:
    upload = client.created(PHOTO)
    headers = {"Tus-Resumable": "0.2.2", "Upload-Offset": "0", "Upload-Length": "5"} | PIECE
    answer = client.http.request(method, client.url if method == "POST" else upload, headers=headers, content=b"abc")
    assert answer.status_code == 412
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert client.offset(upload) == 0


def test_the_method_may_come_in_a_header(client: Client) -> None:
    """X-HTTP-Method-Override MUST be interpreted as the method; an answer to HEAD has no body even so."""
    upload = client.created(PHOTO)
    patched = client.http.post(
        upload, headers=PIECE | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}, content=PHOTO[:10]
    )
    assert (patched.status_code, patched.headers["Upload-Offset"]) == (204, "10")
    told = client.http.post(upload, headers={"X-HTTP-Method-Override": "HEAD"})
    assert (told.headers["Upload-Offset"], told.content) == ("10", b"")
    assert client.http.post(upload, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert client.http.head(upload).status_code in {404, 410}


# -- creation ------------------------------------------------------------------------------------------------------


def test_creation_answers_with_a_location(client: Client) -> None:
    answer = client.creates(PHOTO)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Location"]


def test_metadata_comes_back_with_head(client: Client) -> None:
    """The metadata that names the upload's content MUST be told again."""
    named = base64.b64encode(hashlib.sha256(PHOTO).hexdigest().encode()).decode()
    assert client.http.head(client.created(PHOTO)).headers["Upload-Metadata"] == f"sha256 {named}"


@pytest.mark.parametrize("length", ["-5", "abc", "1.5", ""])
def test_a_length_that_is_no_whole_number_is_refused(client: Client, length: str) -> None:
    assert client.creates(PHOTO, **{"Upload-Length": length}).status_code == 400


def test_a_length_beyond_the_maximum_is_413(client: Client) -> None:
    most = int(httpx.options(client.url, timeout=PATIENCE_SECONDS).headers["Tus-Max-Size"])
    assert client.creates(PHOTO, **{"Upload-Length": str(most + 1)}).status_code == 413


# -- creation with upload ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 1_000, 900_000, len(PHOTO)])
def test_creation_takes_the_whole_along(client: Client, size: int) -> None:
    photo = PHOTO[:4] + PHOTO[-size:]
    created = client.brings(photo, photo, PIECE)
    assert (created.status_code, created.headers["Upload-Offset"]) == (201, str(len(photo)))
    assert client.offset(str(httpx.URL(client.url).join(created.headers["Location"]))) == len(photo)


def test_creation_takes_a_part_along_and_the_rest_follows(client: Client) -> None:
    created = client.brings(PHOTO, PHOTO[:70_000], PIECE)
    assert (created.status_code, created.headers["Upload-Offset"]) == (201, "70000")
    upload = str(httpx.URL(client.url).join(created.headers["Location"]))
    assert client.patches(upload, 70_000, PHOTO[70_000:]).headers["Upload-Offset"] == str(len(PHOTO))


# -- checksum ------------------------------------------------------------------------------------------------------


def test_sha1_at_least_is_supported_and_every_algorithm_announced_works(client: Client) -> None:
    announced = httpx.options(client.url, timeout=PATIENCE_SECONDS).headers["Tus-Checksum-Algorithm"].split(",")
    assert "sha1" in announced
    upload = client.created(PHOTO)
    for at, algorithm in enumerate(announced):
        piece = PHOTO[at * 1000 : (at + 1) * 1000]
        for data, status in ((b"x", 460), (piece, 204)):
            digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
            answer = client.patches(upload, at * 1000, piece, **{"Upload-Checksum": f"{algorithm} {digest}"})
            assert answer.status_code == status
            assert client.offset(upload) == (at + (status == 204)) * 1000, "what does not match MUST be discarded"


def test_an_algorithm_not_announced_is_400(client: Client) -> None:
    upload = client.created(PHOTO)
    assert client.patches(upload, 0, b"abc", **{"Upload-Checksum": "crc32 NSRBwg=="}).status_code == 400
    assert client.offset(upload) == 0


# -- termination, expiration ---------------------------------------------------------------------------------------


def test_what_was_terminated_is_gone(client: Client) -> None:
    upload = client.created(PHOTO)
    assert client.http.delete(upload).status_code == 204
    assert client.http.head(upload).status_code in {404, 410}
    assert client.patches(upload, 0, b"abc").status_code in {404, 410}


def test_an_unfinished_upload_says_when_it_expires_as_an_http_date(client: Client, clock: StandingClock) -> None:
    upload = client.created(PHOTO)
    for answer in (client.patches(upload, 0, PHOTO[:10]), client.http.head(upload)):
        assert parsedate_to_datetime(answer.headers["Upload-Expires"]) > clock.now()
        assert answer.headers["Upload-Expires"].endswith(" GMT")


# -- tuspy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_checksums", [False, True])
def test_tuspy_goes_on_with_what_it_left(client: Client, settings: Settings, with_checksums: bool) -> None:
    """Two pieces, then another tuspy, knowing nothing but the address, delivers the rest."""
    speaks = tuspy.TusClient(client.url, headers=client.headers)
    how = {"chunk_size": 512 * 1024, "upload_checksum": with_checksums}
    metadata = {"sha256": hashlib.sha256(PHOTO).hexdigest()}
    begun = speaks.uploader(file_stream=io.BytesIO(PHOTO), metadata=metadata, **how)
    for _ in range(2):
        begun.upload_chunk()  # type: ignore[no-untyped-call]
    assert begun.offset == 2 * 512 * 1024
    speaks.uploader(file_stream=io.BytesIO(PHOTO), url=begun.url, **how).upload()
    assert _photo(settings).read_bytes() == PHOTO


def _photo(settings: Settings) -> Path:
    name = hashlib.sha256(PHOTO).hexdigest()
    return settings.data / "photos" / name[:2] / name
