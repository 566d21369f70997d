"""One opened store with the engine that syncs it and the actions that write to it."""

import asyncio

import httpx
from msgspec import Struct

from field_app.actions import Actions
from field_app.device.contract import Device
from field_app.device.enrolment_link import key_in
from field_app.store import Identity, Store
from field_app.sync import OfficeOverHttp, SyncEngine
from shared_schema.sync_protocol import Away


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
        client = httpx.AsyncClient(base_url=device.office_url, transport=device.http_transport())
        engine = SyncEngine(store, OfficeOverHttp(client, store), device)
        return cls(device, store, engine, Actions(store, engine), client)

    async def enrol(self, link: str, device_name: str) -> Identity | Away | None:
        """Enrol by a whole link or a bare one-time key; None where the text is neither."""
        key = key_in(link)
        if key is None:
            return None
        if self.device.belong_to(link):
            self.client.base_url = httpx.URL(self.device.office_url)
        return await self.engine.enrol(key, device_name)

    def keep_in_sync(self) -> None:
        """Start syncing by itself, once."""
        if self.syncing is None or self.syncing.done():
            self.syncing = asyncio.get_running_loop().create_task(self.engine.run_forever())
