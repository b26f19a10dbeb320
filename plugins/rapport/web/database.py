"""The warehouse as a page may see it: under the database role of whoever looks, and not for long."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from rapport import warehouse
from rapport.errors import QueryStopped
from rapport.settings import Settings
from rapport.web.visitors import Role, Visitor

PATIENCE = "5s"
ALONE_LOCK = 0x616C_6F6E  # "alon": the advisory locks that let one of a person's big queries run at a time
WAITS, WAIT_SECONDS = 250, 0.02
_DATABASE_ROLES = {Role.VIEWER: "reader", Role.MARKETER: "marketer", Role.OPERATOR: "marketer"}


@contextmanager
def figures(settings: Settings) -> Iterator[psycopg.Connection]:
    """A transaction that reads the ledger and other tables without people in them."""
    with _read_only(settings) as connection:
        yield connection


@contextmanager
def people(settings: Settings, who: Visitor, *, alone: bool = False) -> Iterator[psycopg.Connection]:
    """A transaction under the visitor's database role: a viewer finds personal data masked.

    `alone` is for searches and counts that are asked again while one types: a newer one of the same person
    ends an older one.

    Raises:
        QueryStopped: a query took too long, or a newer one took its place.
    """
    with _read_only(settings) as connection:
        if alone:
            _take_the_place_of_older(connection, who)
        _take_role(connection, who)
        yield connection


def for_download(settings: Settings, who: Visitor, patience: str) -> psycopg.Connection:
    """A transaction under the visitor's database role, whose one long query may take so long."""
    connection = warehouse.connect(warehouse.ensure(settings))
    connection.read_only = True
    connection.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(patience)))
    _take_role(connection, who)
    return connection


@contextmanager
def rendering(settings: Settings, who: Visitor) -> Iterator[psycopg.Connection]:
    """A transaction that reads what mails are made of, people's data among it.

    Raises:
        PermissionError: the visitor may not see people.
        QueryStopped: a query took too long.
    """
    _may_see_people(who)
    with _read_only(settings) as connection:
        yield connection


@contextmanager
def evidence(settings: Settings, who: Visitor) -> Iterator[psycopg.Connection]:
    """A transaction over what no role but the pipeline's reads: identity's rows, planning for one customer.

    It may make temporary tables; whatever it does is rolled back.

    Raises:
        PermissionError: the visitor may not see people.
        QueryStopped: a query took too long.
    """
    _may_see_people(who)
    with _rolled_back(settings) as connection:
        yield connection


@contextmanager
def deciding(settings: Settings) -> Iterator[psycopg.Connection]:
    """A transaction in which a person's decision is written; committed at its end."""
    with warehouse.connect(warehouse.ensure(settings)) as connection:
        yield connection


@contextmanager
def _read_only(settings: Settings) -> Iterator[psycopg.Connection]:
    with _rolled_back(settings) as connection:
        connection.execute("set transaction read only")
        yield connection


@contextmanager
def _rolled_back(settings: Settings) -> Iterator[psycopg.Connection]:
    try:
        with (
            warehouse.connect(warehouse.ensure(settings)) as connection,
            connection.transaction(force_rollback=True),
        ):
            connection.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(PATIENCE)))
            yield connection
    except psycopg.errors.QueryCanceled:
        raise QueryStopped(
            f"the warehouse did not answer within {PATIENCE}, or you asked something newer meanwhile; "
            "ask for less, or try again"
        ) from None


def _may_see_people(who: Visitor) -> None:
    if not who.may(Role.MARKETER):
        raise PermissionError(f"{who.name} may not see people")


def _take_role(connection: psycopg.Connection, who: Visitor) -> None:
    role = f"{connection.info.dbname}_{_DATABASE_ROLES[who.role]}"
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))


def _take_the_place_of_older(connection: psycopg.Connection, who: Visitor) -> None:
    """End the same person's older queries and wait until they are gone."""
    mark = hashlib.sha256(who.name.encode()).hexdigest()[:16]
    connection.execute("select set_config('application_name', %s, true)", [f"rapport alone {mark}"])
    for _ in range(WAITS):
        # A session between two queries takes no notice of being cancelled, so ask again until it is done.
        connection.execute(
            """
            select pg_cancel_backend(pid)
            from pg_stat_activity
            where
                datname = current_database() and application_name = current_setting('application_name')
                and (xact_start, pid) < (now(), pg_backend_pid())
            """
        )
        taken = connection.execute(
            "select pg_try_advisory_xact_lock(%s, hashtext(%s)), pg_stat_clear_snapshot()", [ALONE_LOCK, mark]
        ).fetchone()
        if taken is not None and taken[0]:
            return
        time.sleep(WAIT_SECONDS)
    raise QueryStopped("an older question of yours has not ended yet; try again")
