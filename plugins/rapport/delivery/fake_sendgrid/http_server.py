"""HTTP/1.1 for one process on 127.0.0.1: bytes to requests, answers to bytes, and every way not to answer."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools
import orjson

MAX_BODY = 30 * 1000 * 1000  # SendGrid's limit of a mail, attachments included

Fate = Literal["send", "reset", "silence", "slow", "late"]


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` have lower-case names; a body over MAX_BODY is left out and `is_too_large`."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    is_too_large: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, and how: `reset` breaks the connection instead, `silence` never answers, `slow` spreads
    the bytes over `seconds`, `late` waits as long before the first."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    fate: Fate = "send"
    seconds: float = 0


Handle = Callable[[Request], Answer | Awaitable[Answer]]


def json_answer(status: int, content: object, headers: dict[str, str] | None = None) -> Answer:
    """An answer whose body is JSON."""
    return Answer(status, orjson.dumps(content), {"Content-Type": "application/json", **(headers or {})})


class Connection(asyncio.Protocol):
    """One client's connection. Requests that come before the last was answered wait their turn."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._is_silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a fault of this program, not of the request: let the event loop tell it and hang up
        except httptools.HttpParserError:
            self._transport.write(_bytes(Answer(400), keep_alive=False))
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url, self._headers, self._parts, self._size = b"", {}, [], 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_BODY:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode("latin-1"))
        is_too_large = self._size > MAX_BODY
        request = Request(
            self._parser.get_method().decode(),
            unquote(url.path),
            dict(parse_qsl(url.query, keep_blank_values=True)) if url.query else {},
            self._headers,
            b"" if is_too_large else b"".join(self._parts),
            is_too_large,
        )
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._task is None and not self._is_silent:
            self._answer_waiting()

    def _answer_waiting(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting.popleft()
            answer = self._handle(request)
            if not isinstance(answer, Answer) or answer.fate in ("slow", "late"):
                self._task = asyncio.get_running_loop().create_task(self._answer_later(answer, keep_alive))
                return
            self._deliver(answer, keep_alive)
            if answer.fate != "send":
                return

    async def _answer_later(self, coming: Answer | Awaitable[Answer], keep_alive: bool) -> None:
        answer = coming if isinstance(coming, Answer) else await coming
        if answer.fate == "late":
            await asyncio.sleep(answer.seconds)
        if answer.fate == "slow":
            content = _bytes(answer, keep_alive)
            for place in range(len(content)):
                self._transport.write(content[place : place + 1])
                await asyncio.sleep(answer.seconds / len(content))
        self._task = None
        self._deliver(answer, keep_alive)
        if not self._is_silent:
            self._answer_waiting()

    def _deliver(self, answer: Answer, keep_alive: bool) -> None:
        if answer.fate == "reset":
            self._reset()
        elif answer.fate == "silence":
            # Nor are later requests answered: the client would take theirs for this one's.
            self._is_silent = True
        else:
            if answer.fate != "slow":
                self._transport.write(_bytes(answer, keep_alive))
            if not keep_alive:
                self._transport.close()

    def _reset(self) -> None:
        # Without lingering a close becomes a RST: what a client sees as "connection reset by peer".
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _bytes(answer: Answer, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines.append(f"Content-Length: {len(answer.body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
