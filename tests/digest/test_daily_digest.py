"""The daily digest: once a day and recipient, without a person in it, and never a run's failure."""

import email
import email.policy
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from delivery.smtp_listener import smtp_server
from rapport import ledger, steps, warehouse
from rapport.delivery.configuration import read_sender
from rapport.delivery.fake_sendgrid import FakeSendGrid
from rapport.delivery.mime import Mail, list_unsubscribe
from rapport.delivery.rendering import Rendered
from rapport.delivery.transports.sendgrid_request import single_body
from rapport.digest.sending import Sent, send_digest
from rapport.errors import ConfigurationError
from rapport.settings import PROJECT, Settings

AS_OF = datetime(2026, 7, 1, 5, tzinfo=UTC)
MORNING = AS_OF + timedelta(hours=2, minutes=30)


@pytest.fixture
def told(settings: Settings) -> Settings:
    """A run with a failed step and a failed check, and two people who want to know."""
    write(settings, "digest.yml", "recipients: [anna@shop.example, ben@shop.example]")
    (settings.config / "sender.yml").write_bytes((PROJECT / "config" / "sender.yml").read_bytes())
    url = str(settings.warehouse_url)
    run_id = ledger.open_run(url, as_of=AS_OF, config="x").run_id
    with ledger.step(url, run_id, "ingest_orders", "orders") as record:
        record.rows_read, record.rows_loaded, record.rows_duplicate, record.rows_rejected = 1234, 1200, 30, 4
    with (
        pytest.raises(ConfigurationError),
        ledger.step(url, run_id, "ingest_feedback", "contacts"),
    ):
        raise ConfigurationError("line 3: carla@customer.example is no date")
    ledger.record_tests(
        url,
        run_id,
        "marts",
        [ledger.TestResult("no_order_is_lost", None, "fail", 3, "No order is <lost>.", None, "finance")],
    )
    ledger.close_run(url, run_id)
    return settings


def write(settings: Settings, name: str, content: str) -> None:
    (settings.config / name).write_text(content + "\n")


def send(settings: Settings, now: datetime = MORNING) -> Sent:
    with warehouse.connect(str(settings.warehouse_url), autocommit=True) as connection:
        return send_digest(connection, settings, now)


def mails(settings: Settings) -> list[EmailMessage]:
    folder = settings.mailbox / "new"
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        found.append(mail)
    return found


def test_each_gets_it_once_a_day_however_often_runs_repeat(told: Settings) -> None:
    assert (send(told).now, send(told).before) == (2, 2)
    ledger.open_run(str(told.warehouse_url), as_of=AS_OF + timedelta(hours=1), config="x")
    assert send(told, MORNING + timedelta(hours=9)).now == 0
    assert {mail["To"] for mail in mails(told)} == {"anna@shop.example", "ben@shop.example"}
    assert len(mails(told)) == 2
    assert send(told, MORNING + timedelta(days=1)).now == 2


def test_it_says_in_text_and_html_what_the_page_says(told: Settings) -> None:
    send(told)
    mail = mails(told)[0]
    assert mail["Subject"] == "Rapport, 1 Jul 2026: 1 check failed"
    text, html = [part.get_content() for part in mail.iter_parts()]
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for part in (text, html):
        assert "1 check failed: no_order_is_lost" in part
        assert "finance" in part
        assert "1,234" in part
        assert "4 rejected" in part
        assert "None" not in part
        assert "{{" not in part
    assert "No order is <lost>." in text
    assert "No order is &lt;lost&gt;." in html
    assert "http" not in text, "no link where nobody said where the pages are"
    assert mail["List-Unsubscribe"] is None


def test_nothing_that_an_error_quotes_is_in_it(told: Settings) -> None:
    send(told)
    for mail in mails(told):
        assert "carla" not in mail.as_string()
        assert all("carla" not in part.get_content() for part in mail.iter_parts())


def test_links_lead_to_the_run_where_the_pages_are_known(told: Settings) -> None:
    write(told, "digest.yml", "recipients: [anna@shop.example]\npages: https://airflow.shop.example/")
    send(told)
    assert all(
        "https://airflow.shop.example/rapport/runs/" in part.get_content()
        for part in mails(told)[0].iter_parts()
    )


def test_a_night_without_a_run_is_told(told: Settings) -> None:
    send(told, MORNING + timedelta(days=2))
    assert mails(told)[0]["Subject"] == "Rapport, 3 Jul 2026: no run last night"
    assert "No run since 1 Jul 2026, 05:00 UTC" in next(mails(told)[0].iter_parts()).get_content()


def test_nobody_is_told_where_nobody_is_listed(told: Settings) -> None:
    write(told, "digest.yml", "recipients: []")
    assert send(told) == Sent()
    (told.config / "digest.yml").unlink()
    assert send(told) == Sent()
    assert mails(told) == []


def test_a_mistake_in_the_file_is_named(told: Settings) -> None:
    write(told, "digest.yml", "recipient: [anna@shop.example]")
    with pytest.raises(ConfigurationError, match=r"digest\.yml.*recipient"):
        send(told)


def test_it_arrives_over_smtp_and_who_is_refused_is_told_of_and_tried_again(told: Settings) -> None:
    now = datetime.now(UTC)
    refused = iter(["550 no such user"])
    with smtp_server(
        to=lambda address: next(refused, "250 OK") if address.startswith("ben") else "250 OK"
    ) as (server, port):
        write(
            told, "delivery.yml", f"transport: smtp\nsmtp: {{host: 127.0.0.1, port: {port}, security: none}}"
        )
        first, second = send(told, now), send(told, now)
    assert (first.now, first.faults) == (1, ["refused with 550"])
    assert (second.now, second.before, second.faults) == (1, 1, [])
    assert [address for address, _ in server.mails] == ["anna@shop.example", "ben@shop.example"]
    arrived = email.message_from_bytes(server.mails[0][1], policy=email.policy.default)
    assert "no run last night" in arrived["Subject"]
    assert "List-Unsubscribe" not in arrived


def test_it_is_accepted_by_sendgrid(told: Settings) -> None:
    with FakeSendGrid() as sendgrid:
        write(told, "delivery.yml", f"transport: sendgrid\nsendgrid: {{host: '{sendgrid.url}'}}")
        settings = replace(told, sendgrid_api_key=sendgrid.key)
        assert (send(settings, datetime.now(UTC)).now, send(settings, datetime.now(UTC)).before) == (2, 2)
        mails = sendgrid.mails()
    assert {mail.email for mail in mails} == {"anna@shop.example", "ben@shop.example"}
    for mail in mails:
        assert "no run last night" in mail.subject
        assert "No order is &lt;lost&gt;." in str(mail.html)
        assert "List-Unsubscribe" not in mail.headers


def test_a_server_that_is_not_there_fails_no_run_and_is_tried_again(
    told: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write(told, "delivery.yml", f"transport: smtp\nsmtp: {{host: 127.0.0.1, port: {port}, security: none}}")
    monkeypatch.setenv("RAPPORT_HOME", str(told.home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(told.config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", str(told.warehouse_url))
    now = datetime.now(UTC)

    sent = steps.send_digest(now)

    assert sent.sentence().startswith("the daily digest did not reach 2 of 2: no connection")
    with psycopg.connect(str(told.warehouse_url)) as connection:
        faults = connection.execute("select fault, sent_at from ops.digests").fetchall()
        others = connection.execute(
            "select count(*) from ops.run_steps where step like '%digest%'"
        ).fetchone()
    assert {sent_at for _, sent_at in faults} == {None}
    assert all(fault.startswith("no connection") for fault, _ in faults)
    assert others == (0,)
    write(told, "delivery.yml", "transport: local")
    assert (steps.send_digest(now).now, steps.send_digest(now).before) == (2, 2)


def test_who_may_get_no_mail_gets_no_digest(told: Settings) -> None:
    write(told, "delivery.yml", "transport: smtp\nallow_recipients: [other.example]")
    sent = send(told, datetime.now(UTC))
    assert (sent.now, len(sent.faults)) == (0, 2)
    assert "allow_recipients" in sent.faults[0]


def test_a_mail_to_the_house_has_nothing_to_unsubscribe_from(told: Settings) -> None:
    mail = Mail(
        uuid4(), "anna@shop.example", read_sender(told), Rendered("s", "<p>h</p>", "t"), None, MORNING
    )
    assert list_unsubscribe(mail) == {}
    assert "headers" not in json.loads(single_body(mail, 0))["personalizations"][0]
    other = replace(mail, unsubscribe_url="https://shop.example/u/x")
    assert "List-Unsubscribe" in json.loads(single_body(other, 0))["personalizations"][0]["headers"]


def test_the_repositorys_own_file_is_right(settings: Settings) -> None:
    from rapport.digest.configuration import Digest, read_digest

    assert read_digest(replace(settings, config=Path(PROJECT / "config"))) == Digest()
