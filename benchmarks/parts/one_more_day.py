"""What one more day costs on the real shop's year and on ten times that history, for the same customers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import longer_history
import psycopg
from measured_run import CONFIG, POSTGRES_15, PROJECT, environment

from rapport import warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.landing.load import load_feed
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds

MAX_RATIO = 1.5
TIMES = 10

BUILD_VIEW = PROJECT / "tests" / "dbt" / "build_view.py"


@dataclass(frozen=True)
class Day:
    """What a run took: `seconds` by the clock, `database_seconds` in PostgreSQL, all sessions added up."""

    seconds: float
    database_seconds: float


def measures(times: int = TIMES) -> Iterator[dict[str, object]]:
    """The ratio of what PostgreSQL did in the two runs; what it does for a row a stream is taken off both.

    dbt's start, and what it does for each node outside the database, is not in it; what each node costs
    there without rows, its transaction, tables, comments and catalogue queries, is what is taken off.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        home = Path(folder) / "home"
        server = EmbeddedPostgres(home / "postgres", POSTGRES_15 if POSTGRES_15.is_dir() else None).start()
        try:
            days = [_one_more_day(home, url, name) for name, url in _warehouses(server, home, times).items()]
        finally:
            server.stop()
    least, short, long = days
    ratio = (long.database_seconds - least.database_seconds) / (
        short.database_seconds - least.database_seconds
    )
    yield {
        "measure": "customer.ten_times_history",
        "value": round(ratio, 2),
        "unit": f"x, {long.seconds / short.seconds:.2f} x by the clock with what dbt costs",
        "target": f"<= {MAX_RATIO}",
        "ok": ratio <= MAX_RATIO,
    }


def _warehouses(server: EmbeddedPostgres, home: Path, times: int) -> dict[str, str]:
    """The URLs of warehouses with a row a stream, the year and `times` years, their last day held back."""
    first, many, least = server.url("rapport"), server.url("long"), server.url("least")
    warehouse.migrate(first)
    settings = Settings(home, CONFIG, first, None, None)
    for feed in read_feeds(settings):
        load_feed(first, feed)
    with warehouse.connect(first) as connection:
        longer_history.move_clicks(connection)
    _copy(server, "rapport", "long")
    with warehouse.connect(many) as connection:
        longer_history.repeat_history(connection, times)
    for url in (first, many):
        with warehouse.connect(url) as connection:
            longer_history.hold_back_last_day(connection)
    _copy(server, "rapport", "least")
    with warehouse.connect(least) as connection:
        longer_history.leave_one_row(connection)
    return {"a row a stream": least, "one year": first, f"{times} years": many}


def _one_more_day(home: Path, url: str, name: str) -> Day:
    longer_history.settle(url)
    before = _build(home, url, longer_history.LAST_DAY)
    with warehouse.connect(url) as connection:
        longer_history.deliver_last_day(connection)
    longer_history.settle(url)
    day = _build(home, url, longer_history.NEXT_DAY)
    print(
        f"{name}: from nothing {before.seconds:.1f} s, one more day {day.seconds:.1f} s, "
        f"{day.database_seconds:.1f} s of it in PostgreSQL",
        flush=True,
    )
    return day


def _build(home: Path, url: str, as_of: datetime) -> Day:
    """Build the view in a process of its own; what its steps took, by the run ledger and the server."""
    before = _database_seconds(url)
    subprocess.run(
        [sys.executable, BUILD_VIEW, as_of.isoformat()],
        env={**environment(home), "RAPPORT_WAREHOUSE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    database_seconds = _database_seconds(url) - before
    with warehouse.connect(url) as connection:
        row = connection.execute(
            """
            select extract(epoch from sum(ended_at - started_at)) from ops.run_steps
            where run_id = (select max(run_id) from ops.runs)
            """
        ).fetchone()
    assert row is not None
    return Day(float(row[0]), database_seconds)


def _database_seconds(url: str) -> float:
    """What the database's sessions have spent in statements; those that have ended are all in it."""
    with warehouse.connect(url) as connection:
        row = connection.execute(
            "select active_time from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return float(row[0]) / 1000


def _copy(server: EmbeddedPostgres, database: str, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {database}")  # type: ignore[arg-type]
