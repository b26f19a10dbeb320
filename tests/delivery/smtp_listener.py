"""An SMTP server of aiosmtpd that keeps what it is given and replies as it is told to."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

Reply = Callable[[str], str]


class Handler:
    """Keeps what it is given. `to` and `data` give the reply to an address or to a mail for it."""

    def __init__(self, to: Reply, data: Reply) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.connections: set[Any] = set()
        self._to, self._data = to, data

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.connections.add(session.peer)
        if (reply := self._to(address)) == "250 OK":
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        (address,) = envelope.rcpt_tos
        reply = self._data(address)
        if reply == "drop":
            server.transport.abort()
        if reply in ("250 OK", "drop"):
            assert isinstance(envelope.content, bytes)
            self.mails.append((address, envelope.content))
        return reply


def fine(address: str) -> str:
    return "250 OK"


@contextmanager
def smtp_server(to: Reply = fine, data: Reply = fine, **options: Any) -> Iterator[tuple[Handler, int]]:
    handler = Handler(to, data)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()
