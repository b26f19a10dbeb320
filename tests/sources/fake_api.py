"""A local server that speaks a vendor's documented shapes, and complains of what the vendor would refuse."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
Record = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request; `body` is its JSON, or its form's fields."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is answered, as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """What the vendor answers to a request that its documentation forbids."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class FakeApi:
    """Serves `records[resource]`. Subclasses say how; `interruptions` are answered before anything else.

    `page_size` is how many records a page has. With `has_gap` the second page of a resource is empty, and the
    pages go on behind it; with `repeats` each page begins with the last record of the one before.
    `meanwhile` is called once, after the first page was served.
    """

    secret = "top-secret-4711"
    page_size = 3

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.asked: list[Asked] = []
        self.complaints: list[str] = []
        self.interruptions: list[Answer] = []
        self.has_gap = self.repeats = False
        self.meanwhile: Callable[[], None] | None = None
        self.url = ""

    def connection(self) -> Record:
        """The Airflow connection that a user would write down."""
        return {"conn_type": "http", "host": self.url, "password": self.secret}

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        """The vendor's record of this number, changed at `moment`."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Answer:
        """The page that is asked for."""
        raise NotImplementedError

    def fill(self, resource: str, count: int) -> None:
        """`count` records, one changed each minute."""
        self.records[resource] = [self.record(resource, n, minute(n)) for n in range(count)]

    def change(self, resource: str, number: int, moment: datetime) -> None:
        """A new version of a record takes the old one's place."""
        self.records[resource][number] = self.record(resource, number, moment)

    def serve(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if self.interruptions:
            return self.interruptions.pop(0)
        try:
            answer = self.answer(asked)
        except Refusal as refusal:
            self.complaints.append(f"{asked.method} {asked.path} {asked.query} {asked.body}: {refusal}")
            return Answer({"errors": str(refusal), "message": str(refusal)}, refusal.status)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return answer

    def page(
        self, records: list[Record], start: int, size: int | None = None
    ) -> tuple[list[Record], int | None]:
        """The records from `start`, and where the next page starts, None after the last. A negative start is
        a position behind the gap."""
        size = size or self.page_size
        behind_gap = start < 0
        start = -start if behind_gap else start
        if self.has_gap and start == size and not behind_gap and len(records) > size:
            return [], -start
        found = records[start : start + size]
        if self.repeats and start:
            found = [records[start - 1], *found]
        end = start + size
        return found, end if end < len(records) else None


def minute(number: int) -> datetime:
    """The moment of the record of this number."""
    return FIRST + timedelta(minutes=number)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def expect(condition: bool, reason: str, status: int = 400) -> None:
    """Refuse the request where the condition does not hold."""
    if not condition:
        raise Refusal(reason, status)


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """The API at its own `url`, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(content) if is_json else dict(parse_qsl(content.decode()))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            answer = api.serve(Asked(self.command, parts.path, query, dict(self.headers), body))
            written = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
