"""What only the page can do for the worker that Python runs in: ask for persistence, share a file, know its window.

The page's side is tools/publish/page/shell.js; the two speak over a MessageChannel whose end the worker is given when
it is made (`pagePort`). Imported only in a browser.
"""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # these modules exist in Pyodide alone, and have no type information
    js: Any
    create_proxy: Any
    to_js: Any
else:
    import js
    from pyodide.ffi import create_proxy, to_js


class PageFailed(Exception):
    """The page could not do it, or there is none that listens."""


class Page:
    def __init__(self) -> None:
        self._port: Any = getattr(js, "pagePort", None)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        if self._port is not None:
            self._port.onmessage = create_proxy(self._answered)  # lives as long as the app

    async def ask(self, what: str, **more: Any) -> Any:
        """Takes as long as the page does, or the person before it. Raises PageFailed."""
        if self._port is None:
            raise PageFailed("no page")
        self._number += 1
        question = {"number": self._number, "what": what, **more}
        self._asked[self._number] = asyncio.get_running_loop().create_future()
        try:
            self._port.postMessage(to_js(question, dict_converter=js.Object.fromEntries))
            return await self._asked[self._number]
        finally:
            del self._asked[question["number"]]

    def _answered(self, event: Any) -> None:
        waiting = self._asked.get(event.data.number)
        if waiting is None or waiting.done():
            return
        fault = getattr(event.data, "fault", None)
        if fault is not None:
            waiting.set_exception(PageFailed(str(fault)))
        else:
            waiting.set_result(event.data.answer)
