"""What the fake was asked and what it accepted: lines of JSON that outlive the process.

`accepted` is one recipient of one request; `asked` is a request with its answer and comes after its
recipients, in the same write, so that a log torn by a kill holds whole requests; `suppressed` is a change to
a suppression list; `posted` is a batch of events that was sent to a webhook.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Accepted:
    """A recipient of a request that was accepted. `place` is the personalization's in the request, `header`
    to, cc or bcc, `at` seconds since 1970."""

    at: float
    request_id: str
    place: int
    header: str
    email: str
    sg_message_id: str
    custom_args: dict[str, str] = field(default_factory=dict)
    categories: list[str] = field(default_factory=list)

    @property
    def message_id(self) -> str | None:
        return self.custom_args.get("rapport_message")

    @property
    def attempt_id(self) -> str | None:
        return self.custom_args.get("rapport_attempt")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under /v3. `status` is None where no answer was given; `recipients` is how many were
    accepted; `size` is the request's, in bytes; `fault` names the fault that was played; `errors` are those
    of the answer; `body` is kept of accepted mails only."""

    at: float
    method: str
    path: str
    status: int | None
    request_id: str | None = None
    recipients: int = 0
    size: int = 0
    fault: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


class Log:
    """Appends to one file, each write whole. `is_durable` waits for the disk each time."""

    def __init__(self, file: Path, is_durable: bool = False) -> None:
        """Opens the file; a last write that a kill tore is cut off."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._is_durable = is_durable
        self._lock = Lock()
        os.ftruncate(self._descriptor, _end_of_last_write(file))

    def write(self, asked: Asked, accepted: list[Accepted]) -> None:
        """A request and whom it was accepted for."""
        lines = [_line("accepted", each) for each in accepted]
        self._append([*lines, _line("asked", asked)])

    def note(self, kind: str, content: dict[str, Any]) -> None:
        """Anything else, as one line."""
        self._append([orjson.dumps({"kind": kind, **content})])

    def clear(self) -> None:
        with self._lock:
            os.ftruncate(self._descriptor, 0)

    def _append(self, lines: list[bytes]) -> None:
        rest = memoryview(b"\n".join([*lines, b""]))
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if self._is_durable:
                os.fsync(self._descriptor)


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of whole writes, each with its `kind`; of a file that is not there, none."""
    if not file.exists():
        return
    waiting: list[dict[str, Any]] = []
    with file.open("rb") as opened:
        for line in opened:
            if not line.endswith(b"\n"):
                return
            waiting.append(orjson.loads(line))
            if waiting[-1]["kind"] != "accepted":
                yield from waiting
                waiting.clear()


def accepted_of(line: dict[str, Any]) -> Accepted:
    return Accepted(**{name: value for name, value in line.items() if name != "kind"})


def asked_of(line: dict[str, Any]) -> Asked:
    return Asked(**{name: value for name, value in line.items() if name != "kind"})


def _line(kind: str, content: Accepted | Asked) -> bytes:
    return b'{"kind":"%s",' % kind.encode() + orjson.dumps(content)[1:]


def _end_of_last_write(file: Path) -> int:
    end = place = 0
    with file.open("rb") as opened:
        for line in opened:
            place += len(line)
            if line.endswith(b"\n") and not line.startswith(b'{"kind":"accepted"'):
                end = place
    return end
