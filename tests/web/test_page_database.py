"""What pages may read, for how long, and that one big query a person runs at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest

from rapport.errors import QueryStopped
from rapport.settings import Settings
from rapport.web import database
from rapport.web.visitors import Role, Visitor


def person(name: str, role: Role = Role.MARKETER) -> Visitor:
    return Visitor(name, role)


class Asking(threading.Thread):
    """Somebody's query that goes on for half a minute."""

    def __init__(self, settings: Settings, who: Visitor) -> None:
        super().__init__()
        self.settings, self.who = settings, who
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with database.people(self.settings, self.who, alone=True) as connection:
                connection.execute("set local statement_timeout = '30s'")
                connection.execute("select pg_sleep(30)")
        except Exception as error:
            self.error = error


@pytest.fixture
def settings(settings_with_roles: Settings) -> Settings:
    return settings_with_roles


@pytest.fixture
def mias_query(settings: Settings) -> Iterator[Asking]:
    asking = Asking(settings, person("mia"))
    asking.start()
    try:
        yield asking
    finally:
        assert settings.warehouse_url is not None
        with psycopg.connect(settings.warehouse_url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where query ~ '^select pg_sleep'"
            )
        asking.join(10)


def wait_for_sleep(settings: Settings) -> None:
    assert settings.warehouse_url is not None
    deadline = time.monotonic() + 10
    with psycopg.connect(settings.warehouse_url, autocommit=True) as connection:
        while not connection.execute(
            """
            select pid from pg_stat_activity
            where query = 'select pg_sleep(30)' and state = 'active' and datname = current_database()
            """
        ).fetchone():
            assert time.monotonic() < deadline, "the query did not start"
            time.sleep(0.02)


def test_a_newer_query_takes_the_place_of_the_same_persons_older_one(
    settings: Settings, mias_query: Asking
) -> None:
    wait_for_sleep(settings)
    with database.people(settings, person("mia"), alone=True) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
        mias_query.join(5)
        assert isinstance(mias_query.error, QueryStopped)


def test_nobody_ends_anothers_query(settings: Settings, mias_query: Asking) -> None:
    wait_for_sleep(settings)
    with database.people(settings, person("max"), alone=True) as connection:
        connection.execute("select 1")
    with database.people(settings, person("mia")) as connection:
        connection.execute("select 1")
    mias_query.join(0.3)
    assert mias_query.is_alive()


@pytest.mark.parametrize("read", [database.rendering, database.evidence])
def test_what_people_are_made_of_is_not_read_for_a_viewer(
    settings: Settings,
    read: Callable[[Settings, Visitor], AbstractContextManager[psycopg.Connection]],
) -> None:
    with (
        pytest.raises(PermissionError, match="vera may not see people"),
        read(settings, person("vera", Role.VIEWER)),
    ):
        pass
    with read(settings, person("mia")) as connection:
        assert connection.execute("select count(*) from identity.customers").fetchone() == (0,)


def test_a_query_that_takes_too_long_is_stopped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", "50ms")
    with pytest.raises(QueryStopped), database.people(settings, person("mia")) as connection:
        connection.execute("select pg_sleep(5)")


@pytest.mark.parametrize(
    ("role", "ending"), [(Role.VIEWER, "_reader"), (Role.MARKETER, "_marketer"), (Role.OPERATOR, "_marketer")]
)
def test_people_are_read_as_the_visitors_role_and_nothing_is_written(
    settings: Settings, role: Role, ending: str
) -> None:
    with database.people(settings, person("x", role), alone=True) as connection:
        row = connection.execute("select current_user::text, session_user::text").fetchone()
        assert row is not None
        assert row[0].endswith(ending)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create table segments.mine ()")
