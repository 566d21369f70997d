"""What is drawn while the store is being opened: the first page's frame, and what its visits will be made of."""

import asyncio
from typing import Any

import msgpack
import pytest
from flet.controls.base_control import BaseControl
from flet.messaging.protocol import Message, MessageAction, configure_encode_object_for_msgpack

from field_app import main as app_main
from field_app.device.contract import StoreInUse
from tests.field_app.headless import Client, Screen, in_a_loop


def test_when_the_store_takes_the_thread_everything_has_been_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the router listens to before the cards: Flutter draws the whole page anew when it is told of that, and would
    still be at it when the visits come."""
    sent: list[bytes] = []
    before_opening: list[bytes] = []
    send = Client.send_message

    def noted(self: Client, message: Message) -> None:
        if message.action is MessageAction.PATCH_CONTROL:
            encode: Any = configure_encode_object_for_msgpack(BaseControl)  # type: ignore[no-untyped-call]
            sent.append(msgpack.packb(message.body, default=encode))
        send(self, message)

    async def opens() -> Any:
        before_opening.extend(sent)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sent == before_opening
        raise StoreInUse

    monkeypatch.setattr(Client, "send_message", noted)
    monkeypatch.setattr(app_main, "_open", opens)

    async def look() -> None:
        assert (await Screen().show(app_main.main)).shows("failure")

    in_a_loop(look())
    router = [place for place, body in enumerate(before_opening) if b"on_view_pop" in body]
    cards = [place for place, body in enumerate(before_opening) if "0123456789:–".encode() in body]
    assert len(router) == len(cards) == 1
    assert router < cards
