"""The fake SendGrid's faults: each status, each way a connection fails, for the requests that are meant."""

import time
from collections.abc import Iterator

import pytest
import urllib3

from delivery.fake_requests import OPENAPI, Client, errors, mail
from rapport.delivery.fake_sendgrid import FakeSendGrid, Fault
from rapport.delivery.fake_sendgrid.faults import Faults
from rapport.errors import ServiceFailed


@pytest.fixture(scope="module")
def running() -> Iterator[Client]:
    with FakeSendGrid(OPENAPI) as fake:
        client = Client(fake)
        yield client
        client.pool.clear()


@pytest.fixture
def client(running: Client) -> Client:
    running.fake.clear()
    running.patience = 20
    return running


def statuses(client: Client, *addresses: str) -> list[int]:
    """Of a request for each address."""
    return [client.send(mail(address)).status for address in addresses]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", 500), 500),
        (Fault("status", 503, after_accepting=True), 503),
        (Fault("status", 400), 400),
        (Fault("status", 401), 401),
        (Fault("status", 403), 403),
        (Fault("status", 404), 404),
        (Fault("status", 405), 405),
        (Fault("status", 408), 408),
        (Fault("status", 415), 415),
        (Fault("wrong_sender"), 403),
        (Fault("proxy_page", 502), 502),
        (Fault("proxy_page", 403, after_accepting=True), 403),
        (Fault("rate_limit", seconds=3), 429),
        (Fault("too_large"), 413),
        (Fault("unnamed"), 400),
        (Fault("named", recipients="ben"), 400),
        (Fault("slow", seconds=0.1), 202),
        (Fault("late", seconds=0.1), 202),
        (Fault("reset"), None),
        (Fault("reset", after_accepting=True), None),
        (Fault("silence"), None),
        (Fault("silence", after_accepting=True), None),
    ],
    ids=str,
)
def test_fails_as_told(client: Client, fault: Fault, status: int | None) -> None:
    body = mail("anna@mail.example", "ben@mail.example")
    client.fake.set_faults(fault)
    if status is None:
        client.patience = 0.3
        failure = (
            urllib3.exceptions.ReadTimeoutError
            if fault.kind == "silence"
            else urllib3.exceptions.ProtocolError
        )
        with pytest.raises(failure):
            client.send(body)
    else:
        answer = client.send(body)
        assert answer.status == status
        if status != 202 and fault.kind != "proxy_page":
            assert errors(answer)
    is_accepted = fault.after_accepting or status == 202
    assert len(client.fake.log()) == (2 if is_accepted else 0)
    assert [(asked.fault, asked.status) for asked in client.fake.requests()] == [(fault.kind, status)]
    assert client.fake.faults_played() == [1]
    client.patience = 20
    client.fake.set_faults()
    assert client.send(mail()).status == 202


def test_what_the_answers_say(client: Client) -> None:
    client.fake.set_faults(Fault("rate_limit", seconds=30, times=1), Fault("proxy_page", 502))
    limited = client.send(mail())
    assert 28 < int(limited.headers["X-RateLimit-Reset"]) - time.time() < 33
    assert limited.headers["X-RateLimit-Remaining"] == "0"
    page = client.send(mail())
    assert page.headers["Content-Type"] == "text/html"
    assert page.data.startswith(b"<html>")
    client.fake.set_faults(Fault("wrong_sender"))
    assert errors(client.send(mail()))[0]["field"] == "from"


def test_names_the_personalizations_that_match(client: Client) -> None:
    body = mail(*(f"p{number}@mail.example" for number in range(5)))
    client.fake.set_faults(Fault("named", recipients="p[13]@", times=1), Fault("named", field="custom_args"))
    assert [error["field"] for error in errors(client.send(body))] == [
        "personalizations.1.to.0.email",
        "personalizations.3.to.0.email",
    ]
    assert {error["field"] for error in errors(client.send(mail()))} == {"personalizations.0.custom_args"}


def test_slow_and_late_answers_take_their_time(client: Client) -> None:
    for kind in ("slow", "late"):
        client.fake.set_faults(Fault(kind, seconds=0.3))  # type: ignore[arg-type]
        began = time.monotonic()
        assert client.send(mail()).status == 202
        assert 0.28 < time.monotonic() - began < 5
    client.fake.set_faults(Fault("late", seconds=5))
    client.patience = 0.3
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        client.send(mail())
    assert len(client.fake.log()) == 3


def test_only_the_requests_that_are_meant(client: Client) -> None:
    client.fake.set_faults(Fault("status", recipients="^ben@"))
    assert statuses(client, "anna@mail.example", "ben@mail.example") == [202, 500]
    client.fake.set_faults(Fault("too_large", more_than=2))
    assert client.send(mail("a@mail.example", "b@mail.example")).status == 202
    assert client.send(mail("a@mail.example", "b@mail.example", "c@mail.example")).status == 413
    client.fake.set_faults(Fault("status", path="/v3/suppression/.*"))
    assert client.send(mail()).status == 202
    assert client.ask("GET", "/v3/suppression/bounces").status == 500


def test_how_often(client: Client) -> None:
    ten = [f"p{number}@mail.example" for number in range(10)]
    client.fake.set_faults(Fault("status", skip=2, times=3))
    assert statuses(client, *ten) == [202, 202, 500, 500, 500, 202, 202, 202, 202, 202]
    assert client.fake.faults_played() == [3]
    client.fake.set_faults(Fault("status", 500, times=1), Fault("status", 503, times=1))
    assert statuses(client, *ten[:3]) == [500, 503, 202]


def test_chances_follow_the_seed() -> None:
    found = []
    for seed in (1, 1, 2):
        faults = Faults(seed)
        faults.replace([Fault("status", probability=0.3)])
        found.append([faults.next("/v3/mail/send", list) is not None for _ in range(60)])
    assert found[0] == found[1] != found[2]
    assert 8 < found[0].count(True) < 30


def test_a_limit_of_requests_a_minute() -> None:
    with FakeSendGrid(options=["--per-minute=2"]) as fake:
        client = Client(fake)
        if time.time() % 60 > 57:  # the window must not end between the requests
            time.sleep(3.1)
        answers = [client.send(mail()) for _ in range(3)]
        assert [answer.status for answer in answers] == [202, 202, 429]
        assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert 0 < int(answers[2].headers["X-RateLimit-Reset"]) - time.time() <= 60
        client.pool.clear()


def test_nonsense_is_refused_by_the_control_endpoint(client: Client) -> None:
    with pytest.raises(ServiceFailed, match="400"):
        client.fake.set_faults(Fault("status", recipients="("))
    with pytest.raises(ServiceFailed, match="400"):
        client.fake.suppress("bouncers", "anna@mail.example")
    assert client.ask("PUT", "/_fake/faults", b'[{"king": "status"}]').status == 400
    assert client.ask("PUT", "/_fake/fault", b"[]").status == 404
    assert client.send(mail()).status == 202
