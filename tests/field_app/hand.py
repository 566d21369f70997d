"""A phone with its app in somebody's hand, without a network: opened, used by its screens, lost, opened again."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from field_app.components.boundary import report_fault
from field_app.screens.root import Root
from field_app.state.app import AppState
from field_app.state.phone import Phone
from field_app.sync import OfficeOverHttp, SyncEngine
from shared_schema.credentials import Certificate, Credential, Price, Reference
from shared_schema.ticket import Ticket
from tests.builders.networks import Network
from tests.builders.tickets import a_picture
from tests.field_app.headless import Screen, in_a_loop
from tests.field_app.single_phone import SinglePhone

Story = Callable[[Screen], Awaitable[None]]


def a_reference(**different: Any) -> Reference:
    credential = Credential(
        person="t-chen",
        name="陈志远",
        number="0017",
        company="上门家居服务有限公司",
        phone="400-820-0000",
        skills=("灯具", "家具"),
        certificates=(
            Certificate("低压电工作业证", "T-1", date(2028, 1, 1)),
            Certificate("高处作业证", "G-1", date(2026, 1, 1)),
        ),
        valid_until=date(2027, 1, 1),
        photo=a_picture(seed=17),
    )
    usual: dict[str, Any] = {
        "version": hashlib.sha256(b"1").hexdigest(),
        "credential": credential,
        "prices": (Price("P001", "上门费", "次", 5000), Price("P002", "更换整流器", "个", 12050)),
        "office_phone": "400-820-0000",
        "people": {"t-chen": "陈志远", "p-lin": "林晓"},
    }
    return Reference(**(usual | different))


class Hand:
    """One phone with its app, in somebody's hand; closed and opened again at will."""

    def __init__(self, folder: Path) -> None:
        self.single = SinglePhone(folder / "store.db")
        self.transport: httpx.AsyncBaseTransport = Network(None, up=False)
        self.states: list[AppState] = []
        self.rest_seconds = 0.0
        """This hand never taps twice where it meant to tap once, unless a story is about that."""

    def given(self, *tickets: Ticket) -> None:
        self.single.hears(puts=tickets, reference=a_reference())

    def ticket(self, ticket_id: str) -> Ticket:
        ticket = self.single.store.ticket(ticket_id)
        assert ticket is not None
        return ticket

    @property
    def state(self) -> AppState:
        return self.states[-1]

    def does(self, story: Story, route: str = "/", language: str = "zh_CN", offered_key: str | None = None) -> None:
        """Open the app at this address, live the story, and lose the process at its end."""

        async def life() -> None:
            client = httpx.AsyncClient(base_url="http://office.test", transport=self.transport)
            store, device = self.single.store, self.single.device
            store.set_setting("language", language)
            engine = SyncEngine(store, OfficeOverHttp(client, store), device)
            phone = Phone(device, store, engine, self.single.actions, client)

            def start(page: Any) -> None:
                self.states.append(AppState.of(phone, page))
                self.states[-1].rest_seconds = self.rest_seconds
                report_fault.set(self.state.stumble_quietly)
                page.render_views(Root, self.states[-1], offered_key)

            screen = await Screen(route).show(start)
            await asyncio.wait_for(story(screen), 60)

        in_a_loop(life())
        self.single.restart()
