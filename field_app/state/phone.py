"""One opened store with the engine that syncs it and the actions that write to it."""

import asyncio

import httpx
from msgspec import Struct

from field_app.actions import Actions
from field_app.device.contract import Device
from field_app.store import Store
from field_app.sync import OfficeOverHttp, SyncEngine

_TIMEOUT_SECONDS = 20.0


class Phone(Struct):
    device: Device
    store: Store
    engine: SyncEngine
    actions: Actions
    client: httpx.AsyncClient
    syncing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, device: Device) -> "Phone":
        """Raises StoreInUse or StorageMissing (device.contract)."""
        path = await device.persistence.open()
        store = Store.open(path, device.persistence.flush, now=device.now, random_bytes=device.random_bytes)
        client = httpx.AsyncClient(
            base_url=device.office_url, transport=device.http_transport(), timeout=_TIMEOUT_SECONDS
        )
        engine = SyncEngine(store, OfficeOverHttp(client, store), device)
        return cls(device, store, engine, Actions(store, engine), client)

    def keep_in_sync(self) -> None:
        """Start syncing by itself, once."""
        if self.syncing is None or self.syncing.done():
            self.syncing = asyncio.get_running_loop().create_task(self.engine.run_forever())
