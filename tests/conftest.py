"""A real PostgreSQL for the tests: a server a session, a migrated template, a clone of it for each test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import psycopg
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

import parsed_project
from chosen_postgres import POSTGRES_BIN, a_warehouse
from rapport import warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

# Settings of the machine must not reach the tests, but for which PostgreSQL they run on.
for name in [name for name in os.environ if name.startswith(("RAPPORT_", "AIRFLOW_", "DBT_", "PG"))]:
    del os.environ[name]


# Every run tries the same examples, however long one takes on a busy machine.
hypothesis.settings.register_profile(
    "rapport", max_examples=150, deadline=None, derandomize=True, database=None
)
hypothesis.settings.load_profile("rapport")

MEMORY = Path("/dev/shm")
ROOM_IN_MEMORY = 8 * 2**30  # bytes; the servers of a test run need a tenth of it

# What takes longest begins first, so that the processes of a test run end together.
LONGEST = ("e2e", "dbt", "real_shop", "web")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: min([LONGEST.index(part) for part in item.path.parts if part in LONGEST] or [9])
    )


class OneBuiltShop(LoadFileScheduling):
    """The tests of a file run in one process; those of all files that look at the built shop in one, too."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "built_shop" if _is_on_built_shop(self.config.rootpath / file) else file


@cache
def _is_on_built_shop(file: Path) -> bool:
    return any(name in file.read_text() for name in ("built_shop", "mailed_shop"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return OneBuiltShop(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def _parsed_project(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One place for what dbt has read, for all processes of the test run."""
    folder = tmp_path_factory.getbasetemp()
    # Each of several processes has a folder of its own in the run's.
    run = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    parsed_project.shared = run / "parsed_project.msgpack"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server. Its commits need not survive a power cut.

    Its files are in memory where there is room: the thousand files of each test's database take a disk ten
    times as long.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-tests-", dir=_memory()) as folder:
        server = EmbeddedPostgres(Path(folder), POSTGRES_BIN).start()
        try:
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("alter system set fsync = off")
                connection.execute("select pg_reload_conf()")
            yield server
        finally:
            server.stop()


def _memory() -> Path | None:
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_IN_MEMORY else None


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database that holds what `rapport migrate` makes."""
    warehouse.migrate(postgres.url("rapport"))
    return "rapport"


@pytest.fixture
def warehouse_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A warehouse of the test's own: migrated, empty, gone afterwards."""
    with a_warehouse(postgres, template) as url:
        yield url


@pytest.fixture
def second_warehouse_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """Another one, to compare with."""
    with a_warehouse(postgres, template) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str) -> Settings:
    """Settings with a home and a config folder of the test's own, on `warehouse_url`."""
    config = tmp_path / "config"
    config.mkdir()
    return Settings(
        home=tmp_path / "home",
        config=config,
        warehouse_url=warehouse_url,
        recipient_key=None,
        alert_webhook=None,
    )
