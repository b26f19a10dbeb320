"""The warehouse as a page may see it: under the database role of whoever looks, and not for long."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from rapport import warehouse
from rapport.settings import Settings
from rapport.web.access import Role, Visitor

PATIENCE = "5s"
_DATABASE_ROLES = {Role.VIEWER: "reader", Role.MARKETER: "marketer", Role.OPERATOR: "marketer"}


@contextmanager
def figures(settings: Settings) -> Iterator[psycopg.Connection]:
    """A transaction that reads the ledger and other tables without people in them."""
    with _read_only(settings) as connection:
        yield connection


@contextmanager
def people(settings: Settings, who: Visitor) -> Iterator[psycopg.Connection]:
    """A transaction under the visitor's database role: a viewer finds personal data masked."""
    with _read_only(settings) as connection:
        role = f"{connection.info.dbname}_{_DATABASE_ROLES[who.role]}"
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield connection


@contextmanager
def deciding(settings: Settings) -> Iterator[psycopg.Connection]:
    """A transaction in which a person's decision is written; committed at its end."""
    with warehouse.connect(warehouse.ensure(settings)) as connection:
        yield connection


@contextmanager
def _read_only(settings: Settings) -> Iterator[psycopg.Connection]:
    with (
        warehouse.connect(warehouse.ensure(settings)) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("set transaction read only")
        connection.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(PATIENCE)))
        yield connection
