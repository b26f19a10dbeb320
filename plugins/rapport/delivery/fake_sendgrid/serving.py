"""Runs the fake: a socket on 127.0.0.1, an event loop, an end on SIGTERM, Ctrl-C or when its parent has
gone."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable

import uvloop

from rapport.delivery.fake_sendgrid.http_server import Connection, Handle
from rapport.errors import ConfigurationError


def serve(handle: Handle, port: int, ready: Callable[[int], None], ends_with_stdin: bool = False) -> None:
    """Serves until told to end. `port` 0 takes a free one; `ready` is told which. `ends_with_stdin`: standard
    input is a pipe from the parent, whose end, however it comes, is the fake's.

    Raises:
        ConfigurationError: the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(f"port {port} of 127.0.0.1 cannot be used: {error.strerror}") from None
        uvloop.run(_serve(listener, handle, ready, ends_with_stdin))


async def _serve(
    listener: socket.socket, handle: Handle, ready: Callable[[int], None], ends_with_stdin: bool
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    if ends_with_stdin:
        loop.add_reader(sys.stdin.fileno(), ended.set)
    server = await loop.create_server(lambda: Connection(handle), sock=listener, backlog=1024)
    ready(listener.getsockname()[1])
    await ended.wait()
    server.close()
