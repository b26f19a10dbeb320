"""The webhook that hears of failed tasks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from rapport.alerts import alarm, task_failed


class Receiver(HTTPServer):
    """Keeps what is posted to it; answers as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.answer = 204

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/alerts?token=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_webhook_hears_names_and_nothing_else(receiver: Receiver) -> None:
    task_failed("ingest_orders", "load", "scheduled__2026-07-01", receiver.address)
    assert [json.loads(body) for body in receiver.bodies] == [
        {
            "text": "ingest_orders.load failed (scheduled__2026-07-01); see `rapport status`",
            "dag": "ingest_orders",
            "task": "load",
            "run": "scheduled__2026-07-01",
        }
    ]


def test_a_webhook_that_refuses_is_logged_without_its_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = 500
    task_failed("send_due", "send", "manual", receiver.address)
    assert "did not take the message" in caplog.text
    assert "secret" not in caplog.text


def test_without_a_webhook_the_failure_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    task_failed("send_due", "send", "manual", None)
    assert "send_due.send failed (manual)" in caplog.text


def test_what_a_person_has_to_look_at_is_one_message(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    alarm(["One thing.", "Another."], receiver.address)
    alarm([], receiver.address)
    assert [json.loads(body) for body in receiver.bodies] == [{"text": "One thing.\nAnother."}]
    assert "Another." in caplog.text
