"""A local server in the place of an object store; it complains of what the store would refuse."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request. `path` is as it was written, still quoted; the names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """What the store's documentation forbids."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def expect(condition: bool, reason: str, status: int = 400) -> None:
    """Refuse the request where the condition does not hold."""
    if not condition:
        raise Refusal(reason, status)


@dataclass(frozen=True)
class Stored:
    """An object. `version` grows with every write to the store."""

    content: bytes
    version: int
    content_type: str = "application/octet-stream"


class ObjectStore:
    """One bucket, `shop`. Subclasses speak a store's protocol; a listing's page has `page_size` entries."""

    page_size = 2

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.asked: list[Asked] = []
        self.complaints: list[str] = []
        self.url = ""
        self._written = 0

    def answer(self, asked: Asked) -> Answer:
        """What the store says to the request."""
        raise NotImplementedError

    def refusal(self, refusal: Refusal) -> Answer:
        """How the store says no."""
        raise NotImplementedError

    def serve(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        try:
            return self.answer(asked)
        except Refusal as refusal:
            self.complaints.append(f"{asked.method} {asked.path} {asked.query}: {refusal}")
            return self.refusal(refusal)

    def write(self, key: str, content: bytes, content_type: str) -> Stored:
        self._written += 1
        self.objects[key] = Stored(content, self._written, content_type)
        return self.objects[key]

    def entries(self, prefix: str, delimiter: str) -> list[tuple[str, bool]]:
        """The objects whose name begins so, and whether it stands for all that share it up to a delimiter."""
        found = set()
        for key in self.objects:
            if key.startswith(prefix):
                end = key.find(delimiter, len(prefix)) if delimiter else -1
                found.add((key, False) if end < 0 else (key[: end + 1], True))
        return sorted(found)


def byte_range(written: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last of `bytes=0-99`; None where the object has none of them."""
    unit, _, numbers = written.partition("=")
    first, _, last = numbers.partition("-")
    expect(unit == "bytes" and first.isdigit() and "," not in numbers, f"no range: {written}")
    start = int(first)
    return None if start >= size else (start, min(int(last) + 1 if last else size, size))


@contextmanager
def serving(store: ObjectStore) -> Iterator[ObjectStore]:
    """The store at its own `url`, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = store.serve(Asked(self.command, parts.path, query, headers, content))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
