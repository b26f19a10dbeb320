import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kills
import psycopg
import pytest

from chosen_postgres import POSTGRES_BIN
from rapport import warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.landing.load import load_feed
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, that it may kill, with an empty warehouse."""
    started = EmbeddedPostgres(tmp_path / "postgres", POSTGRES_BIN).start()
    warehouse.migrate(started.url("rapport"))
    yield started
    started.stop()


@pytest.mark.parametrize(("number", "rows"), [(5, 10_000), pytest.param(100, 60_000, marks=pytest.mark.long)])
def test_a_killed_load_and_the_next_end_as_one_that_was_left_alone(
    server: EmbeddedPostgres, tmp_path: Path, number: int, rows: int
) -> None:
    """Every third kill is the server's; the others are the loading process's."""
    config, chance = tmp_path / "config", random.Random(20260701)
    kills.write_feeds(config, tmp_path / "landing", rows)
    process = kills.loading(new_warehouse(server), config)
    start = time.perf_counter()
    assert process.wait(120) == 0
    seconds = time.perf_counter() - start
    undisturbed = state(server)
    assert all(undisturbed.values())

    met_at_work = 0
    for kill in range(number):
        process = kills.loading(new_warehouse(server), config)
        time.sleep(chance.uniform(0, seconds))
        met_at_work += process.poll() is None
        if kill % 3 == 2:
            kills.kill_server(server)
            process.wait(60)
            server.start()
        else:
            process.kill()
            process.wait(60)
        load(server, config)
        assert state(server) == undisturbed, f"kill {kill}"
    assert met_at_work >= number / 2


def new_warehouse(server: EmbeddedPostgres) -> str:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists killed with (force)")
        connection.execute("create database killed template rapport")
    return server.url("killed")


def load(server: EmbeddedPostgres, config: Path) -> None:
    url = server.url("killed")
    for feed in read_feeds(Settings(config, config, url, None, None)):
        load_feed(url, feed)


def state(server: EmbeddedPostgres) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse.connect(server.url("killed")) as connection:
        return {name: connection.execute(query).fetchall() for name, query in kills.TABLES.items()}
