"""SMTP against a server of aiosmtpd: what its replies mean, and one connection for all mails."""

import email
import email.policy
import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from delivery.certificates import self_signed
from delivery.live_shop import LiveShop
from delivery.smtp_listener import Handler, smtp_server
from rapport.delivery import leaving
from rapport.delivery.configuration import Smtp
from rapport.delivery.counts import SendCounts
from rapport.delivery.outbox import send_due
from rapport.delivery.transports.smtp import SmtpServer
from rapport.errors import ConfigurationError
from rapport.settings import Settings


@pytest.fixture
def planned(live: LiveShop) -> LiveShop:
    """Four people who are to get mail."""
    live.people(4)
    return live


def send(live: LiveShop, port: int, security: str = "none", **settings: str) -> SendCounts:
    live.shop.write(
        "delivery.yml",
        f"transport: smtp\nper_second: 1000\nsmtp: {{host: 127.0.0.1, port: {port}, security: {security}}}",
    )
    return send_due(
        live.shop.url,
        replace(live.shop.settings, **settings),
        now=datetime.now(UTC),  # type: ignore[arg-type]
    )


def test_mails_arrive_whole_over_one_connection(planned: LiveShop) -> None:
    with smtp_server() as (server, port):
        assert send(planned, port).accepted == 4
        assert send(planned, port).accepted == 0
    assert planned.states() == {"accepted": 4}
    assert len(server.connections) == 1
    assert sorted(address for address, _ in server.mails) == [f"c{n}@mail.example" for n in (1, 2, 3, 4)]
    parsed = email.message_from_bytes(server.mails[0][1], policy=email.policy.default)
    assert parsed["To"] == server.mails[0][0]
    assert "List-Unsubscribe" in parsed
    assert b"\r\n" in server.mails[0][1]


def test_a_refused_address_is_rejected_and_the_others_get_it(planned: LiveShop) -> None:
    with smtp_server(to=lambda address: "550 no such user" if address.startswith("c2") else "250 OK") as (
        _,
        port,
    ):
        counts = send(planned, port)
    assert (counts.accepted, counts.rejected) == (3, 1)
    assert planned.shop.messages()["c2"] == ("rejected", "refused: 550")


def test_who_is_refused_for_now_is_tried_again(planned: LiveShop) -> None:
    replies = iter(["451 later"])
    with smtp_server(to=lambda address: next(replies, "250 OK")) as (server, port):
        assert send(planned, port).returned == 1
        assert planned.states() == {"accepted": 3, "planned": 1}
        send(planned, port)
    assert planned.states() == {"accepted": 4}
    assert len(server.mails) == 4


def test_a_mail_that_is_cut_off_is_unknown_at_once_and_not_sent_again(planned: LiveShop) -> None:
    with smtp_server(data=lambda address: "drop" if address.startswith("c3") else "250 OK") as (server, port):
        assert send(planned, port).uncertain == 1
        send(planned, port)
    assert planned.states() == {"accepted": 3, "unknown": 1}
    assert len(server.mails) == len(dict(server.mails)) == 4


def test_a_refused_log_in_holds_the_campaign(planned: LiveShop) -> None:
    def refuse(*_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    with smtp_server(authenticator=refuse, auth_require_tls=False) as (_, port):
        send(planned, port, smtp_user="me", smtp_password="wrong")
    assert planned.states() == {"planned": 4}
    assert planned.edition() == ("held", "sending: 535 the log-in is refused")


def test_a_log_in_is_used_and_its_password_is_in_no_log(
    planned: LiveShop, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def accept(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    with (
        caplog.at_level(logging.DEBUG, "rapport"),
        smtp_server(authenticator=accept, auth_require_tls=False) as (_, port),
    ):
        assert send(planned, port, smtp_user="me", smtp_password="secret-word").accepted == 4
    assert seen == [(b"me", b"secret-word")]
    assert "secret-word" not in caplog.text


def test_a_server_that_is_not_there_leaves_all_planned(planned: LiveShop) -> None:
    assert send(planned, 9).accepted == 0
    assert planned.states() == {"planned": 4}


def test_unencrypted_only_on_this_machine(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"none is for 127\.0\.0\.1 alone"):
        SmtpServer(Smtp(host="mail.example", security="none"), settings)


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mails_travel_encrypted(
    planned: LiveShop, own_certificate: Path, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate))
    seen: list[bool] = []

    def accept(server: Any, session: Any, *_: Any) -> AuthResult:
        seen.append(server.transport.get_extra_info("ssl_object") is not None)
        return AuthResult(success=True)

    with encrypted_server(security, own_certificate, authenticator=accept) as (server, port):
        counts = send(planned, port, security, smtp_user="me", smtp_password="secret-word")
    assert counts.accepted == 4
    assert len(server.mails) == 4
    assert seen == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("is_known", [False, True], ids=["known to nobody", "of another host"])
def test_a_wrong_certificate_gets_no_mail_and_holds_the_campaign(
    planned: LiveShop, tmp_path: Path, security: str, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = self_signed(tmp_path, "127.0.0.2" if is_known else "127.0.0.1")
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(wrong))
    logged_in: list[Any] = []
    with encrypted_server(security, wrong, authenticator=lambda *login: logged_in.append(login)) as (
        server,
        port,
    ):
        send(planned, port, security, smtp_user="me", smtp_password="secret-word")
    assert (server.mails, logged_in) == ([], [])
    assert planned.states() == {"planned": 4}
    assert planned.edition() == (
        "held",
        "sending: the server's certificate is none that this machine trusts",
    )


def test_a_server_without_starttls_gets_nothing_in_the_clear(planned: LiveShop) -> None:
    logged_in: list[Any] = []
    with smtp_server(authenticator=lambda *login: logged_in.append(login), auth_require_tls=False) as (
        server,
        port,
    ):
        assert send(planned, port, "starttls", smtp_user="me", smtp_password="secret-word").accepted == 0
    assert (server.mails, logged_in) == ([], [])
    assert planned.states() == {"planned": 4}


def test_a_pause_while_the_server_is_spoken_to_is_heeded(
    planned: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "STALLED", 0.1)

    def pause(address: str) -> str:
        if not planned.shop.execute("select 1 from activation.pauses"):
            planned.shop.execute("insert into activation.pauses (paused_by) values ('me')")
            time.sleep(0.2)
        return "250 OK"

    with smtp_server(to=pause) as (server, port):
        assert send(planned, port).returned == 4
    assert server.mails == []
    assert planned.states() == {"planned": 4}


@contextmanager
def encrypted_server(security: str, certificate: Path, **options: Any) -> Iterator[tuple[Handler, int]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if security == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        options |= {"ssl_context": context, "auth_require_tls": False}
    with smtp_server(**options) as running:
        yield running


def test_lines_that_begin_with_a_dot_arrive_as_they_are(planned: LiveShop) -> None:
    planned.shop.execute(
        """
        update activation.editions set specification = jsonb_set(
            specification, '{sender,postal_address}', '".5 Dot Street"'
        )
        """
    )
    with smtp_server() as (server, port):
        send(planned, port)
    text = email.message_from_bytes(server.mails[0][1], policy=email.policy.default).get_body(("plain",))
    assert text is not None
    assert ".5 Dot Street" in text.get_content()
    assert "..5" not in text.get_content()
