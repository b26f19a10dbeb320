"""What each role may read: as somebody who logs in with no more than that role."""

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from rapport import roles, warehouse


@pytest.fixture
def log_in(warehouse_url: str) -> Iterator[Callable[[str], psycopg.Connection]]:
    """A connection of a new user who has one of the roles."""
    users: list[sql.Identifier] = []
    with warehouse.connect(warehouse_url, autocommit=True) as owner:
        roles.ensure(owner)
        database = owner.info.dbname

        def connect(role: str) -> psycopg.Connection:
            name, password = f"user_{secrets.token_hex(4)}", secrets.token_hex(8)
            user = sql.Identifier(name)
            users.append(user)
            owner.execute(sql.SQL("create user {} password {}").format(user, sql.Literal(password)))
            owner.execute(sql.SQL("grant {} to {}").format(sql.Identifier(f"{database}_{role}"), user))
            parts = urlsplit(warehouse_url)
            return psycopg.connect(
                parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}").geturl(),
                autocommit=True,
            )

        yield connect
        for user in users:
            owner.execute(sql.SQL("drop owned by {}").format(user))
            owner.execute(sql.SQL("drop user {}").format(user))
        for role in ("reader", "marketer", "pipeline"):
            owner.execute(sql.SQL("drop owned by {}").format(sql.Identifier(f"{database}_{role}")))
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(f"{database}_{role}")))


def make_tables(url: str) -> None:
    """What dbt makes in every run, anew."""
    with warehouse.connect(url) as owner:
        owner.execute("create table marts.customers as select 'ann@home.example' as email")
        owner.execute(
            "create view reporting.customers as select email is not null as has_email from marts.customers"
        )
        owner.execute("create view segments.active as select 'c_1' as customer_id")


def may_read(connection: psycopg.Connection, table: str) -> bool:
    try:
        connection.execute(f"select * from {table}")  # type: ignore[arg-type]
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@pytest.mark.parametrize(
    ("role", "readable"),
    [
        ("reader", {"reporting.customers", "segments.active"}),
        ("marketer", {"marts.customers", "reporting.customers", "segments.active"}),
    ],
)
def test_a_role_reads_what_it_should_and_no_more(
    role: str, readable: set[str], warehouse_url: str, log_in: Callable[[str], psycopg.Connection]
) -> None:
    with log_in(role) as connection:
        make_tables(warehouse_url)
        tables = (
            "marts.customers",
            "reporting.customers",
            "segments.active",
            "raw.orders",
            "identity.identifiers",
            "ops.rejected_records",
            "activation.recipients",
        )
        assert {table for table in tables if may_read(connection, table)} == readable
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from segments.members")


def test_the_pipeline_writes(warehouse_url: str, log_in: Callable[[str], psycopg.Connection]) -> None:
    with log_in("pipeline") as connection:
        connection.execute("delete from segments.members")
        assert may_read(connection, "raw.orders")


def test_a_user_who_may_not_make_roles_migrates_without_them(
    warehouse_url: str, log_in: Callable[[str], psycopg.Connection]
) -> None:
    with warehouse.connect(warehouse_url, autocommit=True) as owner:
        name, password = f"plain_{secrets.token_hex(4)}", secrets.token_hex(8)
        owner.execute(
            sql.SQL("create user {} password {}").format(sql.Identifier(name), sql.Literal(password))
        )
        owner.execute(
            sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(name))
        )
        parts = urlsplit(warehouse_url)
        own = parts._replace(
            netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}", path=f"/{name}"
        ).geturl()
        try:
            assert warehouse.migrate(own) is False
            owner.execute(sql.SQL("alter user {} createrole").format(sql.Identifier(name)))
            assert warehouse.migrate(own) is True
        finally:
            owner.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
            for role in (*(f"{name}_{role}" for role in ("reader", "marketer", "pipeline")), name):
                owner.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
