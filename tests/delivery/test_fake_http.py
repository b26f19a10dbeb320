"""The fake SendGrid as an HTTP server: keep-alive, bytes in any portions, requests in a row, kills."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httptools
import orjson
import pytest
import urllib3

from delivery.fake_requests import Client, mail
from rapport.delivery.fake_sendgrid import FakeSendGrid, Fault
from rapport.delivery.fake_sendgrid.http_server import Answer, Connection, Request


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeSendGrid]:
    with FakeSendGrid() as fake:
        yield fake


@pytest.fixture
def connection(fake: FakeSendGrid) -> Iterator[socket.socket]:
    fake.clear()
    with socket.create_connection(("127.0.0.1", fake.port), timeout=2) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def post(*addresses: str, **headers: str) -> bytes:
    body = orjson.dumps(mail(*addresses))
    fields = {
        "Host": "fake",
        "Authorization": "Bearer SG.fake",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = ["POST /v3/mail/send HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read(connection: socket.socket, answers: int) -> list[bytes]:
    """So many answers without bodies."""
    found = b""
    while found.count(b"\r\n\r\n") < answers:
        part = connection.recv(65_536)
        assert part, f"the connection ended after {found!r}"
        found += part
    return [answer.partition(b"\r\n")[0] for answer in found.split(b"\r\n\r\n")[:answers]]


def test_requests_one_behind_the_other_are_answered_in_order(
    fake: FakeSendGrid, connection: socket.socket
) -> None:
    fake.set_faults(Fault("late", seconds=0.2, times=1))
    connection.sendall(post("anna@mail.example") + post("ben@mail.example", Authorization="no"))
    found = b""
    while b"revoked" not in found:
        found += connection.recv(65_536)
    assert found.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert found.count(b"HTTP/1.1 401 Unauthorized\r\n") == 1


def test_bytes_come_in_any_portions(fake: FakeSendGrid, connection: socket.socket) -> None:
    content = post("anna@mail.example")
    for start in range(0, len(content), 7):
        connection.sendall(content[start : start + 7])
    assert read(connection, 1) == [b"HTTP/1.1 202 Accepted"]
    assert [each.email for each in fake.log()] == ["anna@mail.example"]


def test_asks_for_the_body_where_the_client_waits(connection: socket.socket) -> None:
    head, _, body = post("anna@mail.example", Expect="100-continue").partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    assert read(connection, 1) == [b"HTTP/1.1 100 Continue"]
    connection.sendall(body)
    assert read(connection, 1) == [b"HTTP/1.1 202 Accepted"]


def test_closes_when_asked_to(connection: socket.socket) -> None:
    connection.sendall(post("anna@mail.example", Connection="close"))
    assert read(connection, 1) == [b"HTTP/1.1 202 Accepted"]
    assert connection.recv(1) == b""


def test_what_is_no_request_gets_400(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
    assert read(connection, 1) == [b"HTTP/1.1 400 Bad Request"]
    assert connection.recv(1) == b""


def test_a_fault_of_the_program_is_no_fault_of_the_request() -> None:
    def fail(request: Request) -> Answer:
        raise LookupError(request.path)

    with pytest.raises(httptools.HttpParserCallbackError):
        Connection(fail).data_received(post("anna@mail.example"))


def test_a_silent_connection_stays_silent(fake: FakeSendGrid, connection: socket.socket) -> None:
    fake.set_faults(Fault("silence", times=1))
    connection.sendall(post("anna@mail.example"))
    connection.sendall(post("ben@mail.example"))
    connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    assert fake.log() == []


def test_a_reset_is_seen_as_one(fake: FakeSendGrid, connection: socket.socket) -> None:
    fake.set_faults(Fault("reset", times=1))
    connection.sendall(post("anna@mail.example"))
    with pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_a_paused_fake_answers_when_it_goes_on(fake: FakeSendGrid, connection: socket.socket) -> None:
    fake.pause()
    connection.sendall(post("anna@mail.example"))
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    fake.resume()
    connection.settimeout(5)
    assert read(connection, 1) == [b"HTTP/1.1 202 Accepted"]


def test_a_paused_fake_can_be_ended() -> None:
    with FakeSendGrid() as fake:
        fake.pause()
        began = time.monotonic()
    assert time.monotonic() - began < 8  # of ten seconds' patience


def test_only_this_machine_gets_in(fake: FakeSendGrid) -> None:
    with socket.socket() as elsewhere:
        elsewhere.settimeout(1)
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            elsewhere.connect(("127.0.0.2", fake.port))


def test_whoever_was_told_is_in_the_log_through_any_kill(tmp_path: Path) -> None:
    told: list[str] = []
    is_over = False

    def keep_sending(fake: FakeSendGrid) -> None:
        client = Client(fake)
        number = 0
        while not is_over:
            addresses = [f"p{number}-{place}@mail.example" for place in range(20)]
            number += 1
            try:
                if client.send(mail(*addresses)).status == 202:
                    told.extend(addresses)
            except urllib3.exceptions.HTTPError:
                pass
        client.pool.clear()

    with FakeSendGrid(file=tmp_path / "log.jsonl") as fake:
        sender = Thread(target=keep_sending, args=(fake,))
        sender.start()
        for _ in range(3):
            before = len(told)
            while len(told) < before + 400:
                time.sleep(0.005)
            fake.kill()
            fake.start()
        is_over = True
        sender.join()
        logged = [each.email for each in fake.log()]
    assert len(told) > 1200
    assert set(told) <= set(logged)
    assert len(logged) == len(set(logged))
    # Whole requests only, also of those that nobody was told of.
    assert len(logged) % 20 == 0
