"""What one more day costs on the real shop's year and on ten times that history, for the same customers."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
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


def measures(times: int = TIMES) -> Iterator[dict[str, object]]:
    """The ratio of the two runs; what dbt costs without any row is taken off both."""
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        home = Path(folder) / "home"
        server = EmbeddedPostgres(home / "postgres", POSTGRES_15 if POSTGRES_15.is_dir() else None).start()
        try:
            seconds = {
                name: _one_more_day(home, url, name) for name, url in _warehouses(server, home, times).items()
            }
        finally:
            server.stop()
    for name, value in seconds.items():
        print(f"one more day on {name}: {value:.1f} s")
    short, long = seconds["one year"] - seconds["nothing"], seconds[f"{times} years"] - seconds["nothing"]
    # An empty warehouse is built from nothing again: where that takes no less than the day on one year, it
    # does not say what dbt costs, and no ratio is known.
    ratio = long / short if short > 0 else None
    yield {
        "measure": "customer.ten_times_history",
        "value": ratio and round(ratio, 2),
        "unit": f"x, {seconds[f'{times} years'] / seconds['one year']:.2f} x with what dbt costs",
        "target": f"<= {MAX_RATIO}",
        "ok": ratio is not None and ratio <= MAX_RATIO,
    }


def _warehouses(server: EmbeddedPostgres, home: Path, times: int) -> dict[str, str]:
    """The URLs of an empty warehouse, of the year and of `times` years, the last day held back."""
    urls = {"nothing": "empty", "one year": "rapport", f"{times} years": "long"}
    first = server.url("rapport")
    warehouse.migrate(first)
    _copy(server, "rapport", "empty")
    settings = Settings(home, CONFIG, first, None, None)
    for feed in read_feeds(settings):
        load_feed(first, feed)
    with warehouse.connect(first) as connection:
        longer_history.move_clicks(connection)
    _copy(server, "rapport", "long")
    with warehouse.connect(server.url("long")) as connection:
        longer_history.repeat_history(connection, times)
    for database in ("rapport", "long"):
        with warehouse.connect(server.url(database)) as connection:
            longer_history.hold_back_last_day(connection)
    with warehouse.connect(server.url("empty")) as connection:
        connection.execute("create schema held_back")
    return {name: server.url(database) for name, database in urls.items()}


def _one_more_day(home: Path, url: str, name: str) -> float:
    longer_history.settle(url)
    print(f"the view of {name} from nothing: {_build(home, url, longer_history.LAST_DAY):.1f} s", flush=True)
    with warehouse.connect(url) as connection:
        longer_history.deliver_last_day(connection)
    longer_history.settle(url)
    return _build(home, url, longer_history.NEXT_DAY)


def _build(home: Path, url: str, as_of: datetime) -> float:
    """Build the view in a process of its own; the seconds that its steps took, by the run ledger."""
    subprocess.run(
        [sys.executable, BUILD_VIEW, as_of.isoformat()],
        env={**environment(home), "RAPPORT_WAREHOUSE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with warehouse.connect(url) as connection:
        row = connection.execute(
            """
            select extract(epoch from sum(ended_at - started_at)) from ops.run_steps
            where run_id = (select max(run_id) from ops.runs)
            """
        ).fetchone()
    assert row is not None
    return float(row[0])


def _copy(server: EmbeddedPostgres, database: str, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {database}")  # type: ignore[arg-type]
