"""What crosses the network between a browser and the office: a relay in between that counts.

The browser's own tools cannot tell: an answer from its cache looks like one from the network to them.
"""

import re
import socket
import threading
from typing import NamedTuple

_ASKED = re.compile(rb"^(?:GET|POST|PUT|PATCH|HEAD|DELETE) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
_ANSWERED = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)


class Exchange(NamedTuple):
    path: str
    status: int


class Wire:
    """Listens on a port of its own and passes everything on to the office's."""

    def __init__(self, office_port: int) -> None:
        self._office_port = office_port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.bytes_down = 0
        """Everything the office sent, heads included."""
        self.exchanges: list[Exchange] = []
        self._counting = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def fetched(self) -> list[str]:
        """The paths whose contents were sent, as often as they were."""
        with self._counting:
            return [path for path, status in self.exchanges if status == 200]

    def reset(self) -> None:
        with self._counting:
            self.exchanges.clear()
            self.bytes_down = 0

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listening.accept()
            except OSError:  # closed
                return
            try:
                office = socket.create_connection(("127.0.0.1", self._office_port))
            except OSError:
                browser.close()
                continue
            asked: list[str] = []  # in order: a browser asks again only when it has been answered
            threading.Thread(target=self._up, args=(browser, office, asked), daemon=True).start()
            threading.Thread(target=self._down, args=(office, browser, asked), daemon=True).start()

    def _up(self, browser: socket.socket, office: socket.socket, asked: list[str]) -> None:
        while data := _received(browser):
            asked += [path.decode() for path in _ASKED.findall(data)]
            if not _sent(office, data):
                break
        _closed(office)

    def _down(self, office: socket.socket, browser: socket.socket, asked: list[str]) -> None:
        while data := _received(office):
            with self._counting:
                self.bytes_down += len(data)
                for status in _ANSWERED.findall(data):
                    if asked:  # otherwise the words stood inside a body
                        self.exchanges.append(Exchange(asked.pop(0), int(status)))
            if not _sent(browser, data):
                break
        _closed(browser)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _sent(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _closed(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
