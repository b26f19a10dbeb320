"""What the public pages' log-in may do: call four functions."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from public_application import KEY

from rapport import warehouse
from rapport.errors import ConfigurationError, RecipientKeyChanged
from rapport.public.login import check_login, database_url
from rapport.public.serve import check_recipient_key
from rapport.settings import Settings

PROJECT = Path(__file__).parents[2]


FORBIDDEN = [
    "select * from marts.consents",
    "select * from activation.recipients",
    "select * from activation.suppressions",
    "select * from activation.webhook_bodies",
    "insert into activation.webhook_bodies (body) values ('')",
    "delete from activation.suppressions",
    "select * from raw.orders",
    "select * from ops.runs",
    "select * from identity.identifiers",
    "select * from segments.members",
    "create table public.mine (a int)",
    "create table public_pages.mine (a int)",
    "create schema mine",
    "create role mine",
    "select pg_read_file('/etc/passwd')",
    "copy (select 1) to program 'true'",
    "select public_pages.withdraw('key', '{news}', 'erased')",
]


def test_it_may_do_nothing_else(public_url: str) -> None:
    with psycopg.connect(public_url, autocommit=True) as connection:
        for statement in FORBIDDEN:
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)):
                connection.execute(statement)  # type: ignore[arg-type]


def test_others_may_not_call_its_functions(public_url: str, warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url) as owner:
        owner.execute("create role stranger")
        owner.execute("grant usage on schema public_pages to stranger")
        owner.execute("set local role stranger")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("select public_pages.store_webhook('')")
        owner.rollback()


def test_a_log_in_that_may_do_more_is_refused(public_url: str, warehouse_url: str) -> None:
    check_login(public_url)
    with pytest.raises(ConfigurationError, match=r"is a superuser; it needs the role .*_public and no other"):
        check_login(warehouse_url)
    with warehouse.connect(warehouse_url) as owner:
        user = urlsplit(public_url).username
        owner.execute(f"grant {owner.info.dbname}_reader to {user}")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="may use reporting, segments"):
        check_login(public_url)


def test_a_log_in_that_may_do_less_is_told_what_is_missing(public_url: str, warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url) as owner:
        user = urlsplit(public_url).username
        owner.execute(f"revoke {owner.info.dbname}_public from {user}")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"run `rapport migrate`, then `grant .*_public to web_"):
        check_login(public_url)


def test_a_warehouse_of_ones_own_needs_a_log_in_that_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="RAPPORT_PUBLIC_DATABASE_URL is not set"):
        database_url(settings)
    named = dataclasses.replace(settings, public_database_url="postgresql://web:pw@db/rapport")
    assert database_url(named) == "postgresql://web:pw@db/rapport"
    assert "pw@" not in repr(named)


def test_with_another_recipient_key_it_does_not_start(public_url: str) -> None:
    check_recipient_key(public_url, KEY)
    with pytest.raises(RecipientKeyChanged, match="give `rapport serve` the same key"):
        check_recipient_key(public_url, dataclasses.replace(KEY, secret=b"f" * 32))


def test_it_imports_nothing_of_the_pipeline() -> None:
    program = (
        "import sys, rapport.public.serve\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'airflow', 'pandas', 'numpy', 'pyarrow', 'dbt', 'sqlalchemy', 'alembic', 'scipy', 'mrml'}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PROJECT / "plugins"), "PATH": "/usr/bin:/bin"},
    )
    assert found.stdout.strip() == "[]"
