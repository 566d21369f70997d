"""Kinto on PostgreSQL: two collections in a bucket, the batch endpoint (one transaction each), `_since` to pull."""

import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench import load, serving
from bench.race import postgresql
from bench.rivals.pocketbase import free_address
from bench.rivals.work import Change

_PASSWORD = "long-enough-0"  # noqa: S105 - of a server that lives for a minute
_AT_ONCE = 200
_SETTINGS = """
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts
kinto.storage_backend = kinto.core.storage.postgresql
kinto.storage_url = {database}
kinto.permission_backend = kinto.core.permission.postgresql
kinto.permission_url = {database}
kinto.cache_backend = kinto.core.cache.memory
kinto.account_create_principals = system.Everyone
kinto.bucket_create_principals = system.Authenticated
kinto.batch_max_requests = {at_once}
kinto.paginate_by = 10000
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
threads = 8
connection_limit = 1000
"""


@contextmanager
def kinto(programs: Path) -> "Iterator[Kinto]":
    with (
        tempfile.TemporaryDirectory(prefix="doorstep-rival-", ignore_cleanup_errors=True) as folder,
        postgresql(Path(folder) / "postgresql") as database,
    ):
        address = free_address()
        settings = Path(folder) / "kinto.ini"
        port = address.rpartition(":")[2]
        settings.write_text(_SETTINGS.format(database=database, port=port, at_once=_AT_ONCE))
        with serving.running([str(programs / "kinto"), "migrate", "--ini", str(settings)]) as migration:
            migration.wait(60)
        with serving.running([str(programs / "pserve"), str(settings)]) as process:
            serving.wait_for(address, "/v1/__heartbeat__")
            yield Kinto(serving.Served(address, process.pid))


class Kinto:
    """The memory and the time of PostgreSQL itself are not in `served`."""

    def __init__(self, served: serving.Served) -> None:
        self.served = served
        account = msgspec.json.encode({"data": {"password": _PASSWORD}})
        path = "/v1/accounts/phone"
        load.answer(served.address, load.request("PUT", path, account, "Content-Type: application/json"))
        self._is_phone = f"Authorization: Basic {b64encode(f'phone:{_PASSWORD}'.encode()).decode()}"
        for path in ("/v1/buckets/office", *(f"/v1/buckets/office/collections/{each}" for each in ("op", "ticket"))):
            load.answer(served.address, self._request("PUT", path, {}))

    def put_tickets(self, tickets: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(tickets), _AT_ONCE):
            requests = [
                {"method": "PUT", "path": _ticket(ticket["id"]), "body": {"data": ticket}}
                for ticket in tickets[start : start + _AT_ONCE]
            ]
            load.answer(self.served.address, self._request("POST", "/v1/batch", {"requests": requests}))

    def cursor(self) -> str:
        head = load.answer(self.served.address, self.pull("nobody", "0"), whole=True)
        return load.header(head, "etag").strip('"')

    def push(self, changes: Sequence[Change]) -> bytes:
        requests: list[dict[str, Any]] = []
        for change in changes:
            path = f"/v1/buckets/office/collections/op/records/{change.log['id']}"
            requests.append({"method": "PUT", "path": path, "body": {"data": change.log}})
            path = _ticket(change.ticket_id)
            requests.append({"method": "PATCH", "path": path, "body": {"data": change.ticket}})
        return self._request("POST", "/v1/batch", {"requests": requests})

    def pull(self, technician: str, cursor: str) -> bytes:
        path = "/v1/buckets/office/collections/ticket/records"
        return self._request("GET", f"{path}?technician={technician}&_since={cursor}&_sort=last_modified")

    def told(self, answer: bytes, cursor: str) -> tuple[list[str], str]:
        items = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["data"]
        return [item["id"] for item in items], str(items[-1]["last_modified"]) if items else cursor

    def everything(self, technician: str, tickets: int) -> Iterator[bytes]:
        path = "/v1/buckets/office/collections/ticket/records"
        yield self._request("GET", f"{path}?technician={technician}&_limit={tickets}")

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        encoded = b"" if body is None else msgspec.json.encode(body)
        return load.request(method, path, encoded, self._is_phone, "Content-Type: application/json")


def _ticket(id_: str) -> str:
    return f"/v1/buckets/office/collections/ticket/records/{id_}"
