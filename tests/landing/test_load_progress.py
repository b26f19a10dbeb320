"""What a long load says meanwhile."""

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rapport import steps, terminal
from rapport.landing.load import load_feed
from rapport.landing.progress import LOG_SECONDS, LoadProgress, progress_line
from rapport.ledger import StepRecord
from rapport.sources.feed import Feed

HEADER = "order,at,quantity,price,product\n"


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("rows", "fraction", "seconds", "line"),
    [
        (1_200_000, 0.4, 20, "orders.csv: 1,200,000 rows, 60,000 rows/s, 40 %, about 30 s left"),
        (10, 0.01, 20, "orders.csv: 10 rows, 0 rows/s, 1 %, about 33 min left"),
        (10, 0.001, 20, "orders.csv: 10 rows, 0 rows/s, 0 %, about 5.5 h left"),
        (50_000, None, 10, "orders.csv: 50,000 rows, 5,000 rows/s"),
        (50_000, 1.0, 10, "orders.csv: 50,000 rows, 5,000 rows/s, 100 %"),
        (50_000, 0.0, 0, "orders.csv: 50,000 rows"),
    ],
)
def test_a_line_says_rows_speed_part_and_time_left(
    rows: int, fraction: float | None, seconds: float, line: str
) -> None:
    assert progress_line("/landing/orders.csv", rows, fraction, seconds) == line


def test_short_loads_are_quiet_and_long_ones_speak_now_and_then() -> None:
    clock, said = Clock(), []
    progress = LoadProgress(said.append, quiet=10, between=10, clock=clock)
    for second in range(35):
        clock.now = second
        progress("a.csv", 1000 * second, 0.01 * second)
    assert [line.split(",")[0] for line in said] == ["a.csv: 10", "a.csv: 20", "a.csv: 30"]
    assert said[0] == "a.csv: 10,000 rows, 1,000 rows/s, 10 %, about 2 min left"


def test_the_time_of_each_file_is_its_own() -> None:
    clock, said = Clock(), []
    progress = LoadProgress(said.append, quiet=0, clock=clock)
    clock.now = 100
    progress("a.csv", 1000, 1.0)
    clock.now = 110
    progress("b.csv", 500, 0.5)
    assert said[-1] == "b.csv: 500 rows, 50 rows/s, 50 %, about 10 s left"


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl", "parquet"])
def test_the_part_that_was_read_grows_to_the_whole(
    make_feed: Callable[..., Feed], landing: Path, warehouse_url: str, ending: str
) -> None:
    count = 55_000
    if ending == "jsonl":
        row = '{"order": %d, "at": "2026-01-01", "quantity": 1, "price": 1, "product": "a"}\n'
        (landing / "shop.jsonl").write_text("".join(row % n for n in range(count)))
    else:
        text = HEADER + "".join(f"{n},2026-01-01,1,1,{os.urandom(32).hex()}\n" for n in range(count))
        if ending == "parquet":
            import pyarrow.csv
            import pyarrow.parquet

            table = pyarrow.csv.read_csv(io.BytesIO(text.encode()))
            pyarrow.parquet.write_table(table, landing / "shop.parquet", row_group_size=15_000)
        else:
            pack = gzip.compress if ending.endswith("gz") else bytes
            (landing / f"shop.{ending}").write_bytes(pack(text.encode()))
    heard: list[float | None] = []
    load_feed(warehouse_url, make_feed(), progress=lambda file, rows, fraction: heard.append(fraction))
    assert len(heard) > 1
    assert all(fraction is not None and 0 < fraction <= 1 for fraction in heard)
    assert heard == sorted(heard)  # type: ignore[type-var]
    assert heard[-1] > 0.9  # type: ignore[operator]


def test_without_a_terminal_lines_are_plain_and_far_between() -> None:
    out = io.StringIO()
    progress = terminal.Progress(terminal.console(out)).load_progress()
    assert (progress.quiet, progress.between) == (LOG_SECONDS, LOG_SECONDS)
    progress.quiet = progress.between = 0
    progress("shop.csv", 5, None)
    assert out.getvalue().strip().startswith("shop.csv: 5 rows")


def test_on_a_terminal_one_line_changes_and_goes_with_the_step() -> None:
    out = io.StringIO()
    watcher = terminal.Progress(Console(file=out, force_terminal=True, width=100, color_system=None))
    watcher("ingest_orders", "orders", None)
    progress = watcher.load_progress()
    progress.quiet = 0
    for rows in (5, 10):
        progress("shop.csv", rows, 0.5)
    assert out.getvalue().count("\n") == 0, "the same line each time"
    assert "10 rows" in out.getvalue()
    watcher("ingest_orders", "orders", StepRecord(rows_read=10, rows_loaded=10))
    assert out.getvalue().endswith("\x1b[2K    0.0 s  Loading orders: 10 new rows\n"), "the line was wiped"


def test_under_a_scheduler_the_lines_go_to_the_tasks_log(caplog: pytest.LogCaptureFixture) -> None:
    progress = steps._load_progress()
    progress.quiet = 0
    progress.between = 0
    with caplog.at_level("INFO"):
        progress("shop.csv", 5, None)
    assert "shop.csv: 5 rows" in caplog.text
