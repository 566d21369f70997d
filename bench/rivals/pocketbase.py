"""PocketBase: two collections behind rules, the batch API (one transaction each), a filter over `updated` to pull."""

import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from bench import load, serving
from bench.rivals.work import Change

_PASSWORD = "long-enough-0"  # noqa: S105 - of a server that lives for a minute
_SIGNED_IN = '@request.auth.id != ""'
_PAGE = 1_000
_TEXTS = ("technician", "title", "customer", "address", "status", "due", "notes", "operation")


@contextmanager
def pocketbase(programs: Path) -> "Iterator[PocketBase]":
    program = str(programs / "pocketbase")
    with tempfile.TemporaryDirectory(prefix="doorstep-rival-", ignore_cleanup_errors=True) as folder:
        data = f"{folder}/data"  # PocketBase keeps migrations of its own beside it
        owner = ["superuser", "upsert", "owner@example.com", _PASSWORD, "--dir", data]
        subprocess.run([program, *owner], check=True, capture_output=True)  # noqa: S603
        address = free_address()
        with serving.running([program, "serve", "--http", address.removeprefix("http://"), "--dir", data]) as process:
            serving.wait_for(address, "/api/health")
            yield PocketBase(serving.Served(address, process.pid), Path(data) / "data.db")


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


class PocketBase:
    def __init__(self, served: serving.Served, database: Path) -> None:
        self.served = served
        self._database = database
        self._token = self._sign_in("_superusers", "owner@example.com")
        batch = {"enabled": True, "maxRequests": 1_000, "timeout": 120, "maxBodySize": 0}
        self._ask("PATCH", "/api/settings", {"batch": batch, "rateLimits": {"enabled": False}})
        self._collection(
            "op",
            [_text("device"), _number("number"), _text("ticket"), _text("kind"), _text("at"), _text("body")],
            "CREATE UNIQUE INDEX op_number ON op (device, number)",
        )
        self._collection(
            "ticket",
            [
                *map(_text, _TEXTS),
                _number("version"),
                _number("priority"),
                {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
            ],
            "CREATE INDEX ticket_of ON ticket (technician, updated)",
        )
        photo = {"name": "file", "type": "file", "maxSize": 10_000_000, "maxSelect": 1}
        self._collection("photo", [photo])
        user = {"email": "phone@example.com", "password": _PASSWORD, "passwordConfirm": _PASSWORD}
        self._ask("POST", "/api/collections/users/records", user)
        self._token = self._sign_in("users", "phone@example.com")

    def put_tickets(self, tickets: Sequence[dict[str, Any]]) -> None:
        names = [*_TEXTS, "version", "priority", "id"]
        marks = ", ".join(f":{name}" for name in names)
        connection = sqlite3.connect(self._database, timeout=30)
        with connection:
            connection.executemany(
                f"INSERT INTO ticket ({', '.join(names)}, updated) "  # noqa: S608
                f"VALUES ({marks}, '2026-01-01 00:00:00.000Z')",
                tickets,
            )
        connection.close()

    def touch(self, ids: Sequence[str]) -> None:
        """Let these be changes that came a moment after the others."""
        connection = sqlite3.connect(self._database, timeout=30)
        with connection:
            connection.executemany(
                "UPDATE ticket SET updated = '2026-01-02 00:00:00.000Z' WHERE id = ?", [(id_,) for id_ in ids]
            )
        connection.close()

    def cursor(self) -> str:
        return "2026-01-01 00:00:00.001Z"

    def push(self, changes: Sequence[Change]) -> bytes:
        requests: list[dict[str, Any]] = []
        for change in changes:
            requests.append({"method": "POST", "url": "/api/collections/op/records", "body": change.log})
            url = f"/api/collections/ticket/records/{change.ticket_id}"
            requests.append({"method": "PATCH", "url": url, "body": change.ticket | {"version+": 1}})
        return load.post("/api/batch", msgspec.json.encode({"requests": requests}), self._token)

    def pull(self, technician: str, cursor: str) -> bytes:
        wanted = quote(f"technician='{technician}' && updated>'{cursor}'")
        return self._get(f"/api/collections/ticket/records?filter={wanted}&sort=updated&perPage=500&skipTotal=1")

    def told(self, answer: bytes, cursor: str) -> tuple[list[str], str]:
        items = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["items"]
        return [item["id"] for item in items], items[-1]["updated"] if items else cursor

    def everything(self, technician: str, tickets: int) -> Iterator[bytes]:
        wanted = quote(f"technician='{technician}'")
        for page in range(1, -(-tickets // _PAGE) + 1):
            yield self._get(f"/api/collections/ticket/records?filter={wanted}&perPage={_PAGE}&page={page}&skipTotal=1")

    def photo(self, picture: bytes) -> bytes:
        edge = b"edge-of-a-part"
        head = (
            b'\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        body = b"--" + edge + head + picture + b"\r\n--" + edge + b"--\r\n"
        return load.request(
            "POST",
            "/api/collections/photo/records",
            body,
            f"Authorization: Bearer {self._token}",
            f"Content-Type: multipart/form-data; boundary={edge.decode()}",
        )

    def _collection(self, name: str, fields: list[dict[str, Any]], *indexes: str) -> None:
        rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule"), _SIGNED_IN)
        self._ask(
            "POST",
            "/api/collections",
            {"name": name, "type": "base", "fields": fields, "indexes": list(indexes)} | rules,
        )

    def _sign_in(self, collection: str, identity: str) -> str:
        path = f"/api/collections/{collection}/auth-with-password"
        body = msgspec.json.encode({"identity": identity, "password": _PASSWORD})
        answer = load.answer(self.served.address, load.post(path, body, ""))
        token: str = msgspec.json.decode(answer)["token"]
        return token

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> None:
        headers = (f"Authorization: Bearer {self._token}", "Content-Type: application/json")
        load.answer(self.served.address, load.request(method, path, msgspec.json.encode(body), *headers))

    def _get(self, path: str) -> bytes:
        return load.request("GET", path, b"", f"Authorization: Bearer {self._token}", "Accept-Encoding: gzip")


def _text(name: str) -> dict[str, Any]:
    return {"name": name, "type": "text"}


def _number(name: str) -> dict[str, Any]:
    return {"name": name, "type": "number"}
