"""A person in front of the app without a browser: Flet's real session, with a client that only keeps what it is sent.

Every message is packed as for the wire, so that what could not be sent fails here. Controls are found by the
identifiers of field_app.components.identifiers, and pressed by dispatching the event Flutter would send.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import flet as ft
import msgpack
from flet.components.component import Component
from flet.controls.base_control import BaseControl
from flet.controls.context import _context_page
from flet.controls.object_patch import Operation
from flet.messaging.connection import Connection
from flet.messaging.protocol import (
    Message,
    MessageAction,
    RegisterClientResponseBody,
    configure_encode_object_for_msgpack,
)
from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub

from tests.simulation.loop import VirtualLoop

T = TypeVar("T")

_SETTLED_AFTER = 12
"""Turns of the event loop without a message after which nothing more is on its way."""


class Client(Connection):
    """Takes messages as Flutter would, goes to another page when asked to, and does what a story says it can do."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.page_url = "http://phone.test"
        self.pubsubhub = PubSubHub(loop=self.loop)
        self.session: Session | None = None
        self.messages = 0
        self.crashes: list[str] = []
        self.told: list[tuple[str, Any]] = []
        """Property and value of every control that was shown already and changed."""
        self.gives: dict[str, Callable[[], Awaitable[Any]]] = {}
        """What the phone's own machinery, such as its camera, answers to a method of the client."""
        self.asked: list[tuple[str, Any]] = []
        self._answers: set[asyncio.Task[None]] = set()

    def send_message(self, message: Message) -> None:
        self.messages += 1
        msgpack.packb([message.action, message.body], default=configure_encode_object_for_msgpack(BaseControl))
        if message.action is MessageAction.SESSION_CRASHED:
            self.crashes.append(message.body.message)
        elif message.action is MessageAction.PATCH_CONTROL:
            changes = message.body.patch[1:]
            self.told += [
                (name, value) for how, _, *more in changes if how is Operation.Replace for name, value in [more]
            ]
        elif message.action is MessageAction.INVOKE_METHOD:
            task = self.loop.create_task(self._answer(message.body))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, call: Any) -> None:
        assert self.session is not None
        page = self.session.page
        result, error = None, None
        if call.name == "push_route":
            self.session.apply_page_patch({"route": call.args["route"]})
        elif call.name in self.gives:
            self.asked.append((call.name, call.args))
            result = await self.gives[call.name]()
        else:
            error = f"no such thing here: {call.name}"
        self.session.handle_invoke_method_results(call.control_id, call.call_id, result, error)
        if call.name == "push_route":
            await self.session.dispatch_event(page._i, "route_change", {"route": call.args["route"]})

    def dispose(self) -> None:
        pass


class Screen:
    """One session. To be used inside one event loop."""

    def __init__(self, route: str = "/") -> None:
        self.client = Client()
        self.session = Session(self.client)
        self.client.session = self.session
        self.session.apply_page_patch({"route": route, "web": True, "width": 390, "height": 844})
        # Packing is also what makes Flet remember what the client has been told.
        greeting = RegisterClientResponseBody(self.session.id, self.session.get_page_patch(), "")
        self.client.send_message(Message(MessageAction.REGISTER_CLIENT, greeting))

    @property
    def page(self) -> ft.Page:
        page: ft.Page = self.session.page
        return page

    async def show(self, start: Callable[[ft.Page], Any]) -> "Screen":
        _context_page.set(self.page)  # type: ignore[arg-type]  # declared as holding None for ever
        started = start(self.page)
        if asyncio.iscoroutine(started):
            await started
        await self.settle()
        return self

    async def settle(self) -> None:
        quiet, seen = 0, self.client.messages
        while quiet < _SETTLED_AFTER:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.client.messages == seen else 0
            seen = self.client.messages
        assert self.client.crashes == []

    # -- looking ------------------------------------------------------------------------------------------------------

    def controls(self) -> Iterator[ft.Control]:
        """Everything on the topmost page, in order."""
        views = _unwrapped(self.page.views)
        yield from _within(views[-1])

    def views(self) -> int:
        return len(_unwrapped(self.page.views))

    def identifiers(self) -> list[str]:
        return [c.identifier for c in self.controls() if isinstance(c, ft.Semantics) and c.identifier]

    def find(self, identifier: str) -> ft.Semantics:
        for control in self.controls():
            if isinstance(control, ft.Semantics) and control.identifier == identifier:
                return control
        raise AssertionError(f"{identifier} is not among {self.identifiers()}")

    def shows(self, identifier: str) -> bool:
        return identifier in self.identifiers()

    def text(self, identifier: str | None = None) -> str:
        """All that can be read there."""
        where = self.controls() if identifier is None else _within(self.find(identifier))
        return "\n".join(words for control in where for words in _words(control))

    def field(self, identifier: str) -> ft.TextField:
        return next(control for control in _within(self.find(identifier)) if isinstance(control, ft.TextField))

    def value(self, identifier: str) -> str:
        return self.field(identifier).value

    # -- doing --------------------------------------------------------------------------------------------------------

    async def tap(self, identifier: str) -> None:
        await self._press(identifier, "click")

    async def hold(self, identifier: str) -> None:
        await self._press(identifier, "long_press")

    async def _press(self, identifier: str, how: str) -> None:
        for control in _within(self.find(identifier)):
            if getattr(control, f"on_{how}", None) is not None and not getattr(control, "disabled", False):
                await self._send(control, how, None)
                return
        raise AssertionError(f"nothing to press in {identifier}")

    async def type(self, identifier: str, words: str) -> None:
        field = self.field(identifier)
        self.session.apply_patch(field._i, {"value": words})
        await self._send(field, "change", words)

    async def draw(self, identifier: str, strokes: list[list[tuple[float, float]]]) -> None:
        pad = next(control for control in _within(self.find(identifier)) if isinstance(control, ft.GestureDetector))
        for stroke in strokes:
            points = [{"x": x, "y": y} for x, y in stroke]
            start, end = {"l": points[0], "g": points[0]}, {"l": points[-1], "g": points[-1]}
            await self._send(pad, "pan_down", start | {"k": "touch"})
            for point in points[1:]:
                await self._send(pad, "pan_update", {"l": point, "g": point, "ld": point, "gd": point, "pd": 0})
            await self._send(pad, "pan_end", end | {"v": {"x": 0, "y": 0}, "pv": 0})

    async def pick(self, files: list[dict[str, Any]]) -> None:
        """Choose these in the gallery that is open, as the client would tell of it."""
        services = self.page._services._services
        picker = next(service for service in reversed(services) if isinstance(service, ft.FilePicker))
        await self.session.dispatch_event(picker._i, "result", {"files": files})
        await self.settle()

    async def go(self, route: str) -> None:
        await self.page.push_route(route)
        await self.settle()

    async def _send(self, control: ft.Control, name: str, data: Any) -> None:
        await self.session.dispatch_event(control._i, name, data)
        await self.settle()


def _unwrapped(value: Any) -> list[Any]:
    while isinstance(value, Component):
        value = value._b
    if isinstance(value, list):
        return [item for inner in value for item in _unwrapped(inner)]
    return [] if value is None else [value]


_PARTS = ("appbar", "title", "leading", "actions", "content", "controls", "error", "shapes")


def _within(control: Any) -> Iterator[Any]:
    for item in _unwrapped(control):
        yield item
        for part in _PARTS:
            inner = getattr(item, part, None)
            if isinstance(inner, (BaseControl, list)):
                yield from _within(inner)


def _words(control: Any) -> Iterator[str]:
    if isinstance(control, ft.Text):
        yield control.value
    content = getattr(control, "content", None)
    if isinstance(content, str):
        yield content


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """The app's own pauses pass there only while nobody does anything: a slow machine brings none to its end."""

    async def whole() -> T:
        try:
            return await work
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(random.Random(0))) as runner:
        return runner.run(whole())
