"""One opened store with the engine that syncs it and the actions that write to it."""

import asyncio

import httpx
from msgspec import Struct

from field_app.actions import Actions
from field_app.device.contract import Device, Shared, Sharing
from field_app.device.enrolment_link import key_in
from field_app.store import Identity, Store
from field_app.sync import NotPossible, OfficeOverHttp, SyncEngine, WhyNot, make_rescue_file
from field_app.sync.rescue_file import covered, rescue_name
from shared_schema.sync_protocol import Away

_ASKED_FOR_A_PHOTO = "asked-to-persist-for-a-photo"


class Phone(Struct):
    device: Device
    store: Store
    engine: SyncEngine
    actions: Actions
    client: httpx.AsyncClient
    syncing: asyncio.Task[None] | None = None
    asking: asyncio.Task[bool] | None = None

    @classmethod
    async def open(cls, device: Device) -> "Phone":
        """Raises StoreInUse or StorageMissing (device.contract), or StorageUnavailable; and may be tried again."""
        path = await device.persistence.open()
        try:
            store = Store.open(
                path,
                device.persistence.flush,
                now=device.now,
                random_bytes=device.random_bytes,
                monotonic=device.monotonic,
                room_bytes=device.persistence.room_bytes,
            )
        except BaseException:
            await device.persistence.close()  # else the next attempt would find it open elsewhere: here
            raise
        client = httpx.AsyncClient(base_url=device.office_url, transport=device.http_transport())
        engine = SyncEngine(store, OfficeOverHttp(client, store), device)
        phone = cls(device, store, engine, Actions(store, engine), client)
        store.on_change(phone._ask_for_the_first_photo)
        return phone

    async def enrol(self, link: str, device_name: str) -> Identity | Away | None:
        """Enrol by a whole link or a bare one-time key; None where the text is neither."""
        key = key_in(link)
        if key is None:
            return None
        office = self.device.office_url
        self._belong_to(link)
        enrolled = await self.engine.enrol(key, device_name)
        if office and not isinstance(enrolled, Identity):
            self._belong_to(f"{office}/app/")  # the one that holds, or will hold, what was recorded here
        if isinstance(enrolled, Identity):
            # From now on there is something to lose, and the person has just trusted the app with it. Not waited for:
            # some browsers ask the person, who may not answer.
            self._ask_to_persist()
        return enrolled

    def _belong_to(self, link: str) -> None:
        if self.device.belong_to(link):
            self.client.base_url = httpx.URL(self.device.office_url)

    def _ask_to_persist(self) -> None:
        self.asking = asyncio.get_running_loop().create_task(self.device.ask_to_persist())

    def _ask_for_the_first_photo(self) -> None:
        """The second good moment to ask: what a browser would throw away now cannot be taken again."""
        if self.store.setting(_ASKED_FOR_A_PHOTO) is None and self.store.photo_states(limit=1):
            self.store.set_setting(_ASKED_FOR_A_PHOTO, "yes")
            self._ask_to_persist()

    # -- the rescue file ----------------------------------------------------------------------------------------------

    def why_no_rescue(self) -> WhyNot | None:
        """What is missing for a rescue file; None where one can be made."""
        reference = self.store.reference()
        if self.store.device_of_journal() is None:
            return WhyNot.NOBODY
        if reference is None or not isinstance(reference.rescue_key, bytes):
            return WhyNot.NO_OFFICE_KEY
        return None

    async def rescue(self) -> Shared | NotPossible:
        """Make a rescue file of everything the office has not confirmed, and hand it to the person.

        Works offline, signed out and revoked. `Store.rescued` remembers it unless the person has cancelled. Raises
        SharingFailed and SigningFailed (device.contract); call it from a tap, for the share sheet's sake.
        """
        made = await make_rescue_file(self.store, self.device, self.store.reference())
        if isinstance(made, NotPossible):
            return made
        name = rescue_name(self.store, self.device)
        holds = covered(self.store, self.device, name)
        shared = await self.device.share(name, made)
        if shared.how is not Sharing.CANCELLED:
            self.store.rescue_taken(holds)
        return shared

    def keep_in_sync(self) -> None:
        """Start syncing by itself, once."""
        if self.syncing is None or self.syncing.done():
            self.syncing = asyncio.get_running_loop().create_task(self.engine.run_forever())
