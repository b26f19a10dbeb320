"""The fake SendGrid takes what SendGrid takes, refuses what it refuses, fails as told and forgets nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from delivery.fake_requests import OPENAPI, Client, errors, mail
from rapport.delivery.fake_sendgrid import FakeSendGrid
from rapport.delivery.fake_sendgrid.signing import SigningKey
from rapport.settings import PROJECT


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSendGrid]:
    with FakeSendGrid(OPENAPI) as fake:
        yield fake


@pytest.fixture
def fake(running: FakeSendGrid) -> FakeSendGrid:
    running.clear()
    return running


@pytest.fixture
def client(fake: FakeSendGrid) -> Iterator[Client]:
    client = Client(fake)
    yield client
    client.pool.clear()


def test_accepts_a_mail_and_logs_each_recipient(client: Client) -> None:
    answer = client.send(mail("anna@mail.example", "ben@mail.example"))
    assert (answer.status, answer.data) == (202, b"")
    request_id = answer.headers["X-Message-Id"]
    accepted = client.fake.log()
    assert [(each.email, each.message_id, each.attempt_id, each.place) for each in accepted] == [
        ("anna@mail.example", "m0", "7", 0),
        ("ben@mail.example", "m1", "7", 1),
    ]
    assert all(each.sg_message_id.startswith(request_id + ".") for each in accepted)
    assert [(asked.status, asked.recipients) for asked in client.fake.requests()] == [(202, 2)]


def test_copies_are_recipients_and_arguments_of_the_message_are_everybodys(client: Client) -> None:
    body = mail("anna@mail.example", custom_args={"shop": "1", "rapport_attempt": "3"})
    body["personalizations"][0] |= {
        "cc": [{"email": "ben@mail.example"}],
        "bcc": [{"email": "c@mail.example"}],
    }
    assert client.send(body).status == 202
    accepted = client.fake.log()
    assert [(each.header, each.email) for each in accepted] == [
        ("to", "anna@mail.example"),
        ("cc", "ben@mail.example"),
        ("bcc", "c@mail.example"),
    ]
    # What a personalization says goes before what the message says.
    assert accepted[2].custom_args == {"shop": "1", "rapport_message": "m0", "rapport_attempt": "7"}
    assert len({each.sg_message_id for each in accepted}) == 3


def test_sandbox_mode_checks_and_sends_nothing(client: Client) -> None:
    sandbox = {"sandbox_mode": {"enable": True}}
    answer = client.send(mail(mail_settings=sandbox))
    assert (answer.status, answer.data) == (200, b"")
    assert "X-Message-Id" not in answer.headers
    assert client.send(mail(mail_settings=sandbox, subject="")).status == 400
    assert client.fake.log() == []


def test_rate_limit_headers_count_down(client: Client) -> None:
    first, second = client.send(mail()), client.send(mail())
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in (first, second)]
    assert left[0] == left[1] + 1 or int(second.headers["X-RateLimit-Reset"]) - 60 > time.time() - 2
    assert int(first.headers["X-RateLimit-Limit"]) > left[0]


@pytest.mark.parametrize("wrong", ["", "Bearer", "Bearer ", "Bearer SG.another", "Basic SG.fake"])
def test_needs_the_api_key(client: Client, wrong: str) -> None:
    answer = client.send(mail(), Authorization=wrong)
    assert answer.status == 401
    assert errors(answer)[0]["field"] is None
    assert client.fake.log() == []


def test_the_log_outlives_a_kill(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with FakeSendGrid(OPENAPI, file=log) as fake:
        client = Client(fake)
        assert client.send(mail("anna@mail.example")).status == 202
        port = fake.port
        fake.kill()
        assert [each.email for each in fake.log()] == ["anna@mail.example"]
        # What a kill within a write would leave: a recipient without its request, and half a line.
        torn = log.read_bytes().splitlines(keepends=True)[0]
        log.write_bytes(log.read_bytes() + torn + torn[:20])
        assert len(fake.log()) == 1
        fake.start()
        assert fake.port == port
        assert client.send(mail("ben@mail.example")).status == 202
        assert [each.email for each in fake.log()] == ["anna@mail.example", "ben@mail.example"]
        client.pool.clear()


def test_the_command_prints_what_proves_its_events_and_ends_when_told(tmp_path: Path) -> None:
    log = tmp_path / "fake-sendgrid.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "plugins"), "RAPPORT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "rapport", "fake-sendgrid", "--port=0", "--fsync"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first, _, key = (process.stdout.readline() for _ in range(3))
        port = first.split("127.0.0.1:")[1].split()[0]
        answer = urllib3.request(
            "POST",
            f"http://127.0.0.1:{port}/v3/mail/send",
            json=mail(),
            headers={"Authorization": "Bearer SG.any"},
        )
        assert answer.status == 202
        process.terminate()
        assert process.wait(20) == 0
    assert "its own rules (no --openapi)" in first
    assert key.strip() == f"RAPPORT_WEBHOOK_KEYS={SigningKey(log.with_suffix('.jsonl.key')).public_key}"
    assert log.read_text().count('"kind":"accepted"') == 1


def test_a_fast_fake_counts(tmp_path: Path) -> None:
    with FakeSendGrid(fast=True) as fake:
        client = Client(fake)
        body = mail("anna@mail.example", "ben@mail.example")
        assert client.send(body).status == 202
        assert client.send(mail("carl@mail.example")).status == 202  # the message id of anna's
        assert client.send(mail(), Authorization="Bearer no").status == 401
        assert client.send(mail(personalizations=[{}])).status == 400
        tally = fake.tally()
        assert (tally.requests, tally.recipients, tally.repeated) == (2, 3, 1)
        assert tally.bytes > len(str(body)) / 2
        client.pool.clear()


def test_tells_what_each_recipient_would_get(client: Client) -> None:
    body = mail("anna@mail.example", "ben@mail.example", subject="For -name-", headers={"X-Shop": "-name-"})
    body["reply_to"] = {"email": "help@shop.example", "name": "-name-"}
    body["personalizations"][1]["subject"] = "Only for -name-"
    body["personalizations"][1]["substitutions"] = {"-name-": "<b> & {{7*7}} [unsubscribe]"}
    assert client.send(body).status == 202
    anna, ben = client.fake.mails()
    assert (anna.email, anna.message_id, anna.sender["name"]) == ("anna@mail.example", "m0", "The shop")
    assert (anna.subject, anna.text, anna.html) == ("For Anna 0", "Hello Anna 0", "<p>Hello Anna 0</p>")
    assert anna.headers == {"X-Shop": "-name-", "List-Unsubscribe": "<https://shop.example/u/0>"}
    assert anna.reply_to == [{"email": "help@shop.example", "name": "Anna 0"}]
    assert (ben.subject, ben.text) == (
        "Only for <b> & {{7*7}} [unsubscribe]",
        "Hello <b> & {{7*7}} [unsubscribe]",
    )
    assert not anna.is_ambiguous


def test_the_longest_tag_is_taken(client: Client) -> None:
    body = mail(content=[{"type": "text/plain", "value": "-a- -a-b"}])
    body["personalizations"][0]["substitutions"] = {"-a-": "A", "-a-b": "B"}
    assert client.send(body).status == 202
    assert client.fake.mails()[0].text == "A B"


@pytest.mark.parametrize(
    "values", [{"-a-": "see -b-", "-b-": "B"}, {"-a-": "A", "x-a-": "B"}, {"-a-": "contains -a-"}]
)
def test_says_where_a_substitution_is_ambiguous(client: Client, values: dict[str, str]) -> None:
    body = mail()
    body["personalizations"][0]["substitutions"] = values
    assert client.send(body).status == 202
    assert client.fake.mails()[0].is_ambiguous
