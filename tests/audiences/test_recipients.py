"""Recipient keys: frozen, secret, the same from run to run; withdrawals stay."""

import dataclasses
import hashlib
import hmac
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from rapport.audiences.recipients import (
    RecipientKey,
    ensure_recipients,
    normal_form,
    recipient_key,
    record_withdrawals,
)
from rapport.errors import ConfigurationError, RecipientKeyChanged
from rapport.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
KEY = RecipientKey(SECRET.encode(), "RAPPORT_RECIPIENT_KEY")
MONDAY, TUESDAY = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture
def marts(warehouse_url: str) -> Iterator[psycopg.Connection]:
    connection = psycopg.connect(warehouse_url)
    connection.execute("create schema if not exists marts")
    connection.execute("create table marts.customers (customer_id text, email text)")
    connection.execute(
        """
        create table marts.consents (
            email text, channel text, topic text, confirmed_at timestamptz, withdrawn_at timestamptz
        )
        """
    )
    KEY.verify(connection)
    yield connection
    connection.close()


def consent(
    connection: psycopg.Connection,
    email: str,
    topic: str,
    withdrawn_at: datetime | None,
    channel: str = "email",
) -> None:
    connection.execute(
        "insert into marts.consents values (%s, %s, %s, null, %s)", [email, channel, topic, withdrawn_at]
    )


def suppressions(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        """
        select recipient_key, topic, reason, suppressed_at from activation.suppressions
        order by topic, suppressed_at
        """
    ).fetchall()


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("  Anna@Example.COM\n", "anna@example.com"),
        ("anna+shop@example.com", "anna+shop@example.com"),
        ("a.n.n.a@gmail.com", "a.n.n.a@gmail.com"),
        ("jörg@Müller.de", "jörg@xn--mller-kva.de"),
        ("jörg@xn--mller-kva.de", "jörg@xn--mller-kva.de"),
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@☃-.example", "a@☃-.example"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_the_normal_form_is_frozen(address: str, normal: str) -> None:
    """Never change an expectation here: see the docstring of normal_form."""
    assert normal_form(address) == normal
    assert normal_form(normal) == normal


def test_a_recipient_key_is_frozen() -> None:
    key = recipient_key(" Anna@Example.com", SECRET.encode())
    digest = hmac.new(SECRET.encode(), b"anna@example.com", hashlib.sha256).hexdigest()
    assert key == f"{KEY.key_id}_{digest[:32]}"
    assert KEY.key_id == "d79412e9"


def test_the_key_comes_from_the_environment(settings: Settings) -> None:
    key = RecipientKey.from_settings(dataclasses.replace(settings, recipient_key=SECRET))
    assert key.secret == SECRET.encode()
    assert not (settings.home / "secrets").exists()


def test_else_it_is_made_once_and_only_its_owner_may_read_it(settings: Settings) -> None:
    key = RecipientKey.from_settings(settings)
    path = settings.home / "secrets" / "recipient_key"
    assert RecipientKey.from_settings(settings) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key.secret) == 64
    assert [entry.name for entry in path.parent.iterdir()] == ["recipient_key"]
    assert RecipientKey.from_settings(
        dataclasses.replace(settings, recipient_key=path.read_text())
    ).secret == (key.secret)


def test_many_who_come_first_get_the_same_key(settings: Settings) -> None:
    with ThreadPoolExecutor(16) as threads:
        keys = list(threads.map(lambda _: RecipientKey.from_settings(settings).secret, range(64)))
    assert len(set(keys)) == 1


def test_no_key_of_two_installations_is_the_same(settings: Settings, tmp_path: Path) -> None:
    other = dataclasses.replace(settings, home=tmp_path / "other")
    assert RecipientKey.from_settings(settings).secret != RecipientKey.from_settings(other).secret


def test_a_short_key_is_refused(settings: Settings) -> None:
    with pytest.raises(
        ConfigurationError, match="RAPPORT_RECIPIENT_KEY has 5 characters; it needs at least 16"
    ):
        RecipientKey.from_settings(dataclasses.replace(settings, recipient_key="short"))


def test_the_secret_does_not_show() -> None:
    assert SECRET not in repr(KEY)


def test_a_warehouse_knows_its_key(marts: psycopg.Connection) -> None:
    KEY.verify(marts)
    marts.commit()
    (stored,) = marts.execute("select key_id, check_value from activation.recipient_keys").fetchall()
    assert SECRET not in "".join(stored)
    other = RecipientKey(b"f" * 32, "RAPPORT_RECIPIENT_KEY")
    with pytest.raises(RecipientKeyChanged, match=f"RAPPORT_RECIPIENT_KEY holds .* made with {KEY.key_id}"):
        other.verify(marts)


def test_a_key_can_be_verified_outside_a_transaction(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        KEY.verify(connection)
        KEY.verify(connection)


def test_every_address_gets_a_key_once(marts: psycopg.Connection) -> None:
    marts.execute(
        "insert into marts.customers values ('c1', 'anna@example.com'), ('c2', null), ('c3', 'b@x.de')"
    )
    marts.execute("insert into marts.customers values ('c4', 'anna@example.com')")
    consent(marts, "b@x.de", "news", None)
    consent(marts, "only-consent@x.de", "news", None)
    assert ensure_recipients(marts, KEY) == 3
    assert ensure_recipients(marts, KEY) == 0
    assert marts.execute(
        "select recipient_key, key_id, email from activation.recipients order by 3"
    ).fetchall() == [
        (KEY.key_of(email), KEY.key_id, email)
        for email in ("anna@example.com", "b@x.de", "only-consent@x.de")
    ]


@pytest.mark.parametrize(
    "spellings", [("a@müller.de", "a@xn--mller-kva.de"), ("a@xn--mller-kva.de", "a@müller.de")]
)
def test_of_two_spellings_the_customers_one_is_the_recipient(
    marts: psycopg.Connection, spellings: tuple[str, str]
) -> None:
    of_customer, of_consent = spellings
    consent(marts, of_consent, "news", None)
    marts.execute("insert into marts.customers values ('c1', %s)", [of_customer])
    assert ensure_recipients(marts, KEY) == 1
    assert marts.execute("select email from activation.recipients").fetchall() == [(of_customer,)]


def test_withdrawals_become_suppressions_once(marts: psycopg.Connection) -> None:
    consent(marts, "anna@example.com", "news", MONDAY)
    consent(marts, "anna@example.com", "all", TUESDAY)
    consent(marts, "ben@example.com", "news", None)
    consent(marts, "ben@example.com", "news", MONDAY, channel="sms")
    ensure_recipients(marts, KEY)
    assert record_withdrawals(marts, KEY) == 2
    assert record_withdrawals(marts, KEY) == 0
    assert suppressions(marts) == [
        (KEY.key_of("anna@example.com"), "all", "withdrawn", TUESDAY),
        (KEY.key_of("anna@example.com"), "news", "withdrawn", MONDAY),
    ]


def test_a_suppression_outlives_the_row_it_came_from(marts: psycopg.Connection) -> None:
    consent(marts, "anna@example.com", "news", MONDAY)
    ensure_recipients(marts, KEY)
    record_withdrawals(marts, KEY)
    marts.execute("update marts.consents set withdrawn_at = %s", [TUESDAY])
    record_withdrawals(marts, KEY)
    marts.execute("delete from marts.consents")
    record_withdrawals(marts, KEY)
    assert [row[3] for row in suppressions(marts)] == [MONDAY, TUESDAY]


def test_a_withdrawal_in_another_spelling_suppresses_the_recipient(marts: psycopg.Connection) -> None:
    marts.execute("insert into marts.customers values ('c1', 'a@xn--mller-kva.de')")
    consent(marts, "a@müller.de", "news", MONDAY)
    ensure_recipients(marts, KEY)
    assert record_withdrawals(marts, KEY) == 1
    assert suppressions(marts) == [(KEY.key_of("a@xn--mller-kva.de"), "news", "withdrawn", MONDAY)]
