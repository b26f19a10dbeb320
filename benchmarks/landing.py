"""Loading a file of web events, against COPY, pandas and dlt; its memory; and offering a known file again.

`python benchmarks/landing.py [--full]`: small files, or what the targets are about: a million events for the
ratios, five million and a gigabyte for the rest (about 15 minutes, 8 GB of disk).
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "plugins"), str(PROJECT / "benchmarks")]

import pandas as pd  # noqa: E402
import psycopg  # noqa: E402
from landing_bench import memory, peers  # noqa: E402
from landing_bench.events import MAPPING, MONTHS, write_events  # noqa: E402
from psycopg import sql  # noqa: E402

from rapport import warehouse  # noqa: E402
from rapport.embedded_postgres import EmbeddedPostgres  # noqa: E402
from rapport.landing import event_months  # noqa: E402
from rapport.landing.load import load_feed  # noqa: E402
from rapport.settings import Settings  # noqa: E402
from rapport.sources.configuration import read_feeds  # noqa: E402
from rapport.sources.feed import Feed  # noqa: E402


@dataclass(frozen=True)
class Sizes:
    """Rows: of the ratios, of pandas (its rate does not depend on them), of the two loads for memory."""

    ratios: int
    to_sql: int
    memory: tuple[int, int]
    repeats: int


SMALL = Sizes(ratios=100_000, to_sql=10_000, memory=(500_000, 1_000_000), repeats=1)
FULL = Sizes(ratios=1_000_000, to_sql=50_000, memory=(1_000_000, 5_000_000), repeats=3)


def main(arguments: list[str]) -> int:
    """Print what was measured; 1 where a target is missed."""
    sizes = FULL if "--full" in arguments else SMALL
    with tempfile.TemporaryDirectory(prefix="rapport-landing-") as name:
        folder = Path(name)
        server = EmbeddedPostgres(folder / "postgres").start()
        try:
            results = [*ratios(server, folder, sizes), *memory_and_reoffer(server, folder, sizes)]
        finally:
            server.stop()
    for result in results:
        print(json.dumps(result))
    return 0 if all(result["ok"] for result in results) else 1


def ratios(server: EmbeddedPostgres, folder: Path, sizes: Sizes) -> Iterator[dict[str, object]]:
    """Rows a second of a load, and how often that is of each peer. Of several runs the best counts."""
    events, ready = folder / "events.csv", folder / "ready.csv"
    write_events(events, 1000)
    with database(server) as url:  # what is imported at first use is no part of any rate
        load_feed(url, feed_of(folder, events, url))
    write_events(events, sizes.ratios)
    ours = copied = float("inf")
    rows, columns = 0, []
    for _ in range(sizes.repeats):
        with database(server) as url:
            feed = feed_of(folder, events, url)
            start = time.perf_counter()
            load_feed(url, feed)
            ours = min(ours, time.perf_counter() - start)
            if not rows:
                rows, columns = peers.dump(url, ready), columns_of(url)
        with database(server) as url:
            with warehouse.connect(url) as connection:
                event_months.make_months(connection, [pd.Timestamp(f"{m}-01").date() for m in MONTHS])
            copied = min(copied, peers.copy_and_insert(url, ready, columns))
    frame = pd.read_csv(ready, names=columns, nrows=sizes.to_sql, dtype=str).dropna(axis=1, how="all")
    with database(server) as url:
        pandas_rate = len(frame) / peers.to_sql(url, frame)
    with database(server) as url:
        dlt_rate = sizes.ratios / peers.dlt_append(url, events)
    rate = sizes.ratios / ours
    print(
        f"{sizes.ratios:,} events: {rate:,.0f} rows/s; COPY and insert {rows / copied:,.0f}, "
        f"dlt {dlt_rate:,.0f}, to_sql {pandas_rate:,.0f}"
    )
    yield measure("landing.vs_copy", rate / (rows / copied), "x", ">=", 0.7)
    yield measure("landing.vs_to_sql", rate / pandas_rate, "x", ">=", 15)
    yield measure("landing.vs_dlt", rate / dlt_rate, "x", ">=", 1.5)


def memory_and_reoffer(server: EmbeddedPostgres, folder: Path, sizes: Sizes) -> Iterator[dict[str, object]]:
    """The memory of a bare process for two sizes of a file, and the time to find that the larger is known."""
    peaks = []
    for rows in sizes.memory:
        events = folder / "large.csv"
        write_events(events, rows)
        with database(server) as url:
            feed = feed_of(folder, events, url)
            time.sleep(3)  # a file younger than its file system's clock can tell is hashed again
            done = subprocess.run(
                [sys.executable, memory.__file__, url, str(folder / "config")],
                env={"PYTHONPATH": str(PROJECT / "plugins")},
                check=True,
                capture_output=True,
            )
            told = json.loads(done.stdout)
            peaks.append(told["peak"] - told["idle"])
            print(
                f"{rows:,} events, {events.stat().st_size / 1e6:,.0f} MB: idle {told['idle']:.0f} MB, "
                f"{peaks[-1]:.0f} MB more at the peak"
            )
            start = time.perf_counter()
            again = load_feed(url, feed)
            seconds = time.perf_counter() - start
            assert again.rows_read == 0
    yield measure("landing.peak_mb", max(peaks), "MB", "<=", 250)
    yield measure("landing.peak_growth", peaks[1] / peaks[0], "x", "<=", 1.25)
    yield measure("landing.reoffer_seconds", seconds, "s", "<", 1)


@contextmanager
def database(server: EmbeddedPostgres) -> Iterator[str]:
    """The URL of an empty warehouse, dropped afterwards."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database landing_benchmark")
        try:
            url = server.url("landing_benchmark")
            warehouse.migrate(url)
            yield url
        finally:
            connection.execute("drop database landing_benchmark with (force)")
            connection.execute("checkpoint")


def feed_of(folder: Path, events: Path, url: str) -> Feed:
    """The feed of one file."""
    sources = folder / "config" / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    (sources / "web_shop.yml").write_text(MAPPING.format(file=events))
    return read_feeds(Settings(folder, folder / "config", url, None, None))[0]


def columns_of(url: str) -> list[str]:
    """The columns of raw.web_events."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            sql.SQL("select * from {} limit 0").format(event_months.PARENT)
        ).description
    return [column.name for column in found or ()]


def measure(name: str, value: float, unit: str, sign: str, target: float) -> dict[str, object]:
    """A line of the result."""
    is_met = value >= target if sign == ">=" else value <= target
    return {
        "measure": name,
        "value": round(value, 2),
        "unit": unit,
        "target": f"{sign} {target}",
        "ok": is_met,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
