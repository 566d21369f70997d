"""The network between phones and the office: a relay of TCP connections that breaks some of them, as the dice say.

What strikes is counted, not what was planned. `calm` ends all trouble, and the connections that were in it.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from enum import Enum

_PIECE = 64 * 1024


class Fault(str, Enum):
    """What can happen to a connection; the words stand in the report."""

    NONE = "none"
    REFUSED = "refused"
    """The phone is turned away before a byte has passed."""
    CUT = "cut after n bytes"
    """Some bytes pass in one direction, then both ends are told that it is over."""
    RESET = "reset after n bytes"
    """The same, by RST: what is still under way is thrown away."""
    HALF_CLOSED = "half-closed"
    """After some bytes one direction ends, the other goes on."""
    BLACK_HOLE = "black hole"
    """After some bytes nothing passes any more, in either direction, and nobody is told."""
    REPLY_LOST = "reply lost"
    """The office has read the request and has answered; nothing of the answer arrives."""
    DELAYED = "delayed"
    DRIPPING = "slow drip"
    """A few hundred bytes at a time."""


_CHANCES = {
    Fault.NONE: 25,
    Fault.REFUSED: 5,
    Fault.CUT: 12,
    Fault.RESET: 10,
    Fault.HALF_CLOSED: 6,
    Fault.BLACK_HOLE: 4,
    Fault.REPLY_LOST: 12,
    Fault.DELAYED: 7,
    Fault.DRIPPING: 4,
}


class Network:
    """Listens on a port of its own and passes everything on to the office's. To be closed."""

    def __init__(self, office_port: int, dice: random.Random, chances: dict[Fault, int] = _CHANCES) -> None:
        self._office_port = office_port
        self._dice = dice
        self._chances = chances
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self.struck: Counter[Fault] = Counter()
        self.nobody_there = 0
        """Connections that found no office: it was dead, or not yet up."""
        self.is_calm = False
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calm(self) -> None:
        """From now on everything passes; whoever was held up is cut off and may come again."""
        asyncio.run_coroutine_threadsafe(self._calm(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._accepted, sock=self._listening, limit=_PIECE))
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _calm(self) -> None:
        self.is_calm = True
        for connection in tuple(self._open):
            connection.reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        fault = Fault.NONE
        if not self.is_calm:
            (fault,) = self._dice.choices(list(self._chances), list(self._chances.values()))
        if fault is Fault.REFUSED:
            self.struck[fault] += 1
            _reset(writer)
            return
        try:
            office = await asyncio.open_connection("127.0.0.1", self._office_port, limit=_PIECE)
        except OSError:
            self.nobody_there += 1
            _reset(writer)
            return
        connection = _Connection((reader, writer), office, fault, self._dice, self.struck)
        self._open.add(connection)
        try:
            await connection.live()
        finally:
            self._open.discard(connection)


class _Broken(Exception):
    """Both directions of a connection are over."""


class _Connection:
    def __init__(
        self,
        phone: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        office: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        fault: Fault,
        dice: random.Random,
        struck: Counter[Fault],
    ) -> None:
        self._phone = phone
        self._office = office
        self._fault = fault
        self._dice = dice
        self._struck = struck
        self._has_struck = False
        self._is_swallowing = False
        self._goes_up = fault is not Fault.REPLY_LOST and dice.random() < 0.5
        # Up, a photo's piece has hundreds of kilobytes; down, most answers have a few hundred bytes.
        self._left = int(2 ** dice.uniform(0, 18 if self._goes_up else 13))

    async def live(self) -> None:
        (from_phone, to_phone), (from_office, to_office) = self._phone, self._office
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_on(from_phone, to_office, self._goes_up))
                directions.create_task(self._pass_on(from_office, to_phone, not self._goes_up))
        except* (OSError, _Broken):
            pass
        finally:
            for writer in (to_phone, to_office):
                writer.close()

    def reset(self) -> None:
        _reset(self._phone[1])
        _reset(self._office[1])

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_struck: bool) -> None:
        while piece := await reader.read(_PIECE):
            if is_struck and self._fault is not Fault.NONE:
                piece = await self._strike(piece, writer)
            if piece and not self._is_swallowing:
                await self._send(writer, piece)
        if not self._is_swallowing:  # an end is something to be told, too
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        if self._fault is Fault.DELAYED:
            self._count()
            await asyncio.sleep(self._dice.uniform(0.02, 0.25))
        if self._fault is Fault.DRIPPING:
            self._count()
            while piece:
                size = self._dice.randint(50, 1500)
                writer.write(piece[:size])
                await writer.drain()
                piece = piece[size:]
                await asyncio.sleep(0.01)
        writer.write(piece)
        await writer.drain()

    async def _strike(self, piece: bytes, writer: asyncio.StreamWriter) -> bytes:
        """What of the piece still passes in this direction."""
        if self._fault in {Fault.DELAYED, Fault.DRIPPING}:
            return piece
        if self._has_struck:  # half-closed, or a black hole: nothing more in this direction
            return b""
        if len(piece) <= self._left:
            self._left -= len(piece)
            return piece
        passes = b"" if self._fault is Fault.REPLY_LOST else piece[: self._left]
        self._count()
        match self._fault:
            case Fault.BLACK_HOLE:
                writer.write(passes)
                self._is_swallowing = True
            case Fault.HALF_CLOSED:
                writer.write(passes)
                writer.write_eof()
            case Fault.RESET:
                await self._send(writer, passes)
                self.reset()
                raise _Broken
            case _:
                await self._send(writer, passes)
                raise _Broken
        return b""

    def _count(self) -> None:
        if not self._has_struck:
            self._has_struck = True
            self._struck[self._fault] += 1


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST: nothing lingers, and what is under way is thrown away."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
