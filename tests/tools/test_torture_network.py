"""The relay that breaks connections does what its faults are called; a fault that never strikes would prove nothing."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tools.torture.killing import PATIENCE_SECONDS
from tools.torture.network import Fault, Network

REQUEST = bytes(range(256)) * 1200
REPLY = bytes(reversed(range(256))) * 60
CONNECTIONS = 12


class Listener:
    """Stands in for the office: reads a whole request, then answers it."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.read: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            read = b""
            while len(read) < len(REQUEST) and (piece := connection.recv(65536)):
                read += piece
            self.read.append(read)
            if len(read) == len(REQUEST):
                connection.sendall(REPLY)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # else the thread in accept takes one more
        self._listening.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def ask(port: int) -> tuple[bytes, str]:
    """What came of the reply, and how it ended."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(REQUEST)
            while len(received) < len(REPLY):
                piece = connection.recv(65536)
                if not piece:
                    return received, "end"
                received += piece
    except TimeoutError:
        return received, "silence"
    except ConnectionError:
        return received, "reset"
    return received, "whole"


def network(listener: Listener, fault: Fault) -> Network:
    return Network(listener.port, random.Random(7), {fault: 1})


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.DELAYED, Fault.DRIPPING])
def test_what_is_only_slow_arrives_whole(listener: Listener, fault: Fault) -> None:
    relay = network(listener, fault)
    assert ask(relay.port) == (REPLY, "whole")
    assert listener.read == [REQUEST]
    assert relay.struck[fault] == (fault is not Fault.NONE)
    relay.close()


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.CUT, Fault.RESET, Fault.HALF_CLOSED, Fault.REPLY_LOST])
def test_what_is_broken_arrives_in_part_and_never_as_something_else(listener: Listener, fault: Fault) -> None:
    relay = network(listener, fault)
    answers = [ask(relay.port) for _ in range(CONNECTIONS)]
    assert all(REPLY.startswith(received) and len(received) < len(REPLY) for received, _ in answers)
    assert {how for _, how in answers} <= {"end", "reset"}
    assert all(REQUEST.startswith(read) for read in listener.read)
    assert relay.struck == {fault: CONNECTIONS}
    relay.close()


def test_a_reply_is_lost_only_after_the_request_has_arrived(listener: Listener) -> None:
    relay = network(listener, Fault.REPLY_LOST)
    ask(relay.port)
    assert listener.read == [REQUEST]
    relay.close()


def test_a_black_hole_tells_nobody_until_all_is_calm(listener: Listener) -> None:
    """Whoever waits in it is cut off when the trouble ends, and gets through the next time."""
    relay = network(listener, Fault.BLACK_HOLE)
    answers: list[tuple[bytes, str]] = []
    waiting = [threading.Thread(target=lambda: answers.append(ask(relay.port))) for _ in range(CONNECTIONS)]
    for each in waiting:
        each.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while relay.struck[Fault.BLACK_HOLE] < CONNECTIONS:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    relay.calm()
    for each in waiting:
        each.join(PATIENCE_SECONDS)
    assert [how for _, how in answers] == ["reset"] * CONNECTIONS, "not told of an end before"
    assert ask(relay.port) == (REPLY, "whole")
    relay.close()


def test_without_an_office_the_phone_is_turned_away(listener: Listener) -> None:
    listener.close()
    relay = network(listener, Fault.NONE)
    assert ask(relay.port)[0] == b""
    assert relay.nobody_there == 1
    relay.close()
