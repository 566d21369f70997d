"""`doorstep`: the office's command line. `doorstep --help` says what there is."""

import argparse
import gc
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from litestar import Litestar
from msgspec.structs import replace
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sync_server import backup_commands
from sync_server.accounts.command_line import add_commands
from sync_server.app import create_app
from sync_server.clock import SystemClock
from sync_server.services.backups import opened
from sync_server.settings import PREFIX, Settings, SettingUnusable, from_environment
from sync_server.storage import StorageUnavailable

GRACEFUL_SECONDS = 5
"""How long open answers may take when the server is told to stop; event streams are cut then."""

STILL_SENDING_SECONDS = 1
"""How long, then, a request may take to arrive; a phone sends it again."""

HEAD_BYTES = 128 * 1024
"""The most that a request's line and headers may have, give or take what arrives in one piece."""

_YOUNG_OBJECTS = 150_000
"""How many may come before the garbage collector looks for circles among them. Operations, tickets and answers make
none and are let go of by themselves; looked through every 700 objects, as is usual, they cost a tenth of all time, and
to look through what 500 phones that come together leave at once keeps everybody waiting for 17 ms."""

_FAILED = 1
_USAGE = 2


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    try:
        settings = _settings(arguments)
        outcome: int = arguments.run(arguments, settings)
    except SettingUnusable as fault:
        return _complain(str(fault), _USAGE)
    except StorageUnavailable as fault:
        return _complain(f"the database cannot be used: {fault}", _FAILED)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doorstep",
        description="The office of Doorstep: tickets, technicians' phones, the dispatchers' pages.",
        epilog=f"Settings are environment variables ({PREFIX}PORT, {PREFIX}DATA, …); README.md lists them.",
    )
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="run the server until it is told to stop",
        description="Run the server: the desk at /, the phone's app at /app/, sync for phones at /sync/v1/.",
        epilog="Phones need HTTPS: DOORSTEP_TLS_CERTIFICATE and DOORSTEP_TLS_KEY name PEM files, or a reverse proxy"
        " stands in front (docs/operations.md). Every setting is in the README.",
    )
    _where(serve)
    serve.set_defaults(run=_serve)
    demo = commands.add_parser(
        "demo",
        help="fill a sample company where there is nothing yet, and serve it",
        description="Fill the data folder with a sample company, unless something is there, and serve it.",
    )
    _where(demo)
    demo.set_defaults(run=_demo)
    add_commands(commands, _where)
    backup_commands.add_commands(commands, _which)
    return parser


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help=f"address to listen on ({PREFIX}HOST, 127.0.0.1)")
    command.add_argument("--port", type=int, help=f"port to listen on ({PREFIX}PORT, 8000)")
    _which(command)


def _which(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, help=f"folder for everything that is kept ({PREFIX}DATA, ./.data)")


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = from_environment(os.environ)
    chosen = {name: getattr(arguments, name, None) for name in ("host", "port", "data")}
    return replace(settings, **{name: value for name, value in chosen.items() if value is not None})


def _serve(_arguments: argparse.Namespace, settings: Settings) -> int:
    return serve(settings)


def _demo(_arguments: argparse.Namespace, settings: Settings) -> int:
    from sync_server.sample import demo  # draws pictures: nothing that an office in service needs

    settings = demo.prepare(settings)
    return serve(settings, demo.greeting)


def serve(settings: Settings, greeting: Callable[[Settings], str] | None = None) -> int:
    """Run the office until SIGTERM or SIGINT; 0 where it stopped because it was told to."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        listening = socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as fault:
        return _complain(f"cannot listen on {settings.host}:{settings.port}: {fault.strerror}", _FAILED)
    settings = replace(settings, port=listening.getsockname()[1])
    with listening:
        storage = opened(settings)
        try:
            storage.take_room()
            storage.rehearse()
            app = create_app(settings, storage, SystemClock())
            config = uvicorn.Config(
                app,
                loop="uvloop",
                http=_Connection,
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies or None,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
                ssl_certfile=settings.tls_certificate,
                ssl_keyfile=settings.tls_key,
            )
            try:
                config.load()
            except (OSError, ssl.SSLError) as fault:
                return _complain(f"the TLS certificate or its key cannot be used: {fault}", _USAGE)
            server = _Server(config)
            # uvicorn raises the signal again once it has shut down; the database is closed after that.
            signal.signal(signal.SIGTERM, lambda *_: None)
            signal.signal(signal.SIGINT, lambda *_: None)
            _leave_in_peace_what_stays()
            _say((greeting or _addresses)(settings))
            server.run(sockets=[listening])
        finally:
            storage.close()
    return 0 if server.started else _FAILED


class _Connection(HttpToolsProtocol):
    """Hangs up where uvicorn would wait: on a request whose line and headers do not end, and, when the server is told
    to stop, on whoever has not sent a request or taken an answer in time (uvicorn would cancel it, and log a failure).
    """

    _head_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if was_in_head and self._in_head else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def shutdown(self) -> None:
        super().shutdown()
        is_sending = self.cycle is not None and self.cycle.more_body
        self.loop.call_later(STILL_SENDING_SECONDS if is_sending else GRACEFUL_SECONDS - 1, self.transport.abort)


class _Server(uvicorn.Server):
    """Ends the pages' event streams before it waits for open answers to finish: they never would by themselves."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, Litestar):
            await app.state.live.close()
        await super().shutdown(sockets)


def _leave_in_peace_what_stays() -> None:
    """Nothing that is there by now will ever be garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def _addresses(settings: Settings) -> str:
    address = settings.address
    return (
        f"Doorstep is listening on {settings.scheme}://{settings.host}:{settings.port}\n"
        f"  desk          {address}/\n"
        f"  phone's app   {address}/app/\n"
        f"  data          {settings.data.resolve()}"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str, outcome: int) -> int:
    sys.stderr.write(f"doorstep: {text}\n")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
