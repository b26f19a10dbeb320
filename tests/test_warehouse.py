"""Connecting to the warehouse, migrating it, and keeping two runs apart."""

import socket
import subprocess
import sys
import threading

import pytest

from rapport import warehouse
from rapport.errors import RunInProgress, WarehouseTooOld, WarehouseUnavailable
from rapport.streams import STREAMS, Stream

LANDING_COLUMNS = {
    "is_deleted": "boolean",
    "source": "text",
    "mode": "text",
    "payload": "jsonb",
    "row_key": "uuid",
    "content_hash": "uuid",
    "batch_id": "bigint",
    "delivered_as": "bigint",
    "revision": "integer",
    "line_number": "bigint",
    "loaded_at": "timestamp with time zone",
}
LONG_NAMES = {"timestamptz": "timestamp with time zone"}


def tables(url: str) -> list[tuple[str, str]]:
    """Every table and view, by schema and name."""
    with warehouse.connect(url) as connection:
        return connection.execute(
            """
            select table_schema, table_name from information_schema.tables
            where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2
            """
        ).fetchall()


def test_migrating_twice_changes_nothing(warehouse_url: str) -> None:
    before = tables(warehouse_url)
    warehouse.migrate(warehouse_url)
    assert tables(warehouse_url) == before
    assert ("ops", "runs") in before


@pytest.mark.parametrize("stream", STREAMS.values(), ids=list(STREAMS))
def test_a_raw_table_is_its_stream(warehouse_url: str, stream: Stream) -> None:
    with warehouse.connect(warehouse_url) as connection:
        found = connection.execute(
            """
            select attname, format_type(atttypid, null), attnotnull from pg_attribute
            where attrelid = %s::regclass and attnum > 0
            """,
            [f"raw.{stream.name}"],
        ).fetchall()
    own = {
        column.name: LONG_NAMES.get(column.type.postgres, column.type.postgres) for column in stream.columns
    }
    assert {name: kind for name, kind, _ in found} == LANDING_COLUMNS | own
    required = {column.name for column in stream.columns if column.required}
    assert required <= {name for name, _, is_required in found if is_required}


def test_another_process_cannot_start_a_second_run(warehouse_url: str) -> None:
    code = f"""
from rapport import warehouse
from rapport.errors import RunInProgress
try:
    with warehouse.run_lock({warehouse_url!r}):
        print("got it")
except RunInProgress as error:
    print(error)
"""
    with warehouse.run_lock(warehouse_url):
        refused = python(code)
        with warehouse.run_lock(warehouse_url):
            pass
        assert python(code) == refused, "giving back the inner lock must not open the outer one"
    assert "another run is at work" in refused
    assert "rapport status" in refused
    assert warehouse_url not in refused
    assert python(code) == "got it"


def test_a_lock_that_was_given_back_has_to_be_taken_anew(warehouse_url: str) -> None:
    with warehouse.run_lock(warehouse_url):
        pass
    with warehouse.connect(warehouse_url) as another:
        another.execute("select pg_advisory_lock(%s)", [warehouse.RUN_LOCK])
        with pytest.raises(RunInProgress), warehouse.run_lock(warehouse_url):
            pass


def test_a_patient_step_waits_for_the_lock(warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url, autocommit=True) as another:
        another.execute("select pg_advisory_lock(%s)", [warehouse.RUN_LOCK])
        release = threading.Timer(0.5, another.execute, ["select pg_advisory_unlock_all()"])
        release.start()
        with warehouse.run_lock(warehouse_url, patience=30):
            release.join()


def test_a_run_lock_goes_with_its_process(warehouse_url: str) -> None:
    code = f"""
import os
from rapport import warehouse
with warehouse.run_lock({warehouse_url!r}):
    print("got it", flush=True)
    os.kill(os.getpid(), 9)
"""
    assert python(code) == "got it"
    assert python(code) == "got it"


def test_a_url_is_shown_without_its_password() -> None:
    shown = warehouse.without_password("postgresql://mia:p%40ss@db.example:5433/shop?sslmode=require")
    assert shown == "postgresql://mia:***@db.example:5433/shop?sslmode=require"
    assert warehouse.without_password("postgresql://db.example/shop") == "postgresql://db.example/shop"


def test_a_dead_server_is_named_without_its_password() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(WarehouseUnavailable) as refusal:
        warehouse.connect(f"postgresql://mia:secret@127.0.0.1:{port}/shop")
    assert f"postgresql://mia:***@127.0.0.1:{port}/shop does not answer" in str(refusal.value)
    assert "RAPPORT_WAREHOUSE_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["shop.sqlite", "postgresql://mia@[/shop"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(WarehouseUnavailable, match="postgresql://user:password@host:5432/database"):
        warehouse.connect(url)


def test_a_server_that_is_too_old_is_refused(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "OLDEST_MAJOR_VERSION", 99)
    with pytest.raises(WarehouseTooOld, match=r"runs PostgreSQL 1\d; Rapport needs 99 or newer"):
        warehouse.connect(warehouse_url)


def python(code: str) -> str:
    """What a process of its own prints that runs the code."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not ended.stderr
    return ended.stdout.strip()
