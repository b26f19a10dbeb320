import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rapport.landing.load import load_feed
from rapport.landing.transaction import LoadCounts
from rapport.settings import PROJECT, Settings
from rapport.sources.feed import Feed

ROWS = 60_000
TABLES = {
    "raw": "select row_key, content_hash, batch_id, line_number, quantity from raw.order_lines order by 1",
    "batches": "select batch_id, file, rows_read, rows_loaded, rows_rejected from ops.load_batches",
    "rejected": "select batch_id, line_number, reason, record from ops.rejected_records order by 1, 2",
}
KILLED_LOAD = """
    import os, signal, sys
    from pathlib import Path
    from rapport.landing import batches, inserts, load
    from rapport.settings import Settings
    from rapport.sources.configuration import read_feeds

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def die_after(module, name):
        whole = getattr(module, name)
        setattr(module, name, lambda *a, **k: (whole(*a, **k), die()))

    url, config, moment = sys.argv[1:]
    if moment == "rows are in":
        die_after(inserts, "insert_rows")
    elif moment == "all is written":
        die_after(batches, "close_batch")
    progress = die if moment == "a chunk is copied" else None
    feed = read_feeds(Settings(Path(config), Path(config), None, None, None))[0]
    load.load_feed(url, feed, progress=progress)
"""


@pytest.mark.parametrize("moment", ["a chunk is copied", "rows are in", "all is written"])
def test_a_load_killed_at_any_moment_leaves_nothing_and_the_next_is_as_if_undisturbed(
    moment: str,
    make_feed: Callable[..., Feed],
    landing: Path,
    settings: Settings,
    warehouse_url: str,
    query: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    feed = make_feed()
    with (landing / "shop.csv").open("w") as stream:
        stream.write("order,at,quantity,price,product\n")
        for n in range(ROWS):
            stream.write(f"{n % 5000},2026-01-01 10:00:00,{'x' if n % 1000 == 0 else n % 7},2.50,p{n % 3}\n")
    (landing / "shop0.csv").write_text("order,at,quantity,price,product\n1,2026-01-01,1,1,a\n")

    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED_LOAD), warehouse_url, str(settings.config), moment],
        env={"PYTHONPATH": str(PROJECT / "plugins")},
    )
    assert killed.returncode == -signal.SIGKILL
    assert query("select count(*) from ops.load_batches") == [(0,)]
    assert query("select count(*) from raw.order_lines") == [(0,)]

    counts = load_feed(warehouse_url, feed)
    assert counts == LoadCounts(ROWS + 1, ROWS - 59, 0, 60)
    resumed = {name: query(statement) for name, statement in TABLES.items()}
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("truncate raw.order_lines, ops.load_batches, ops.rejected_records cascade")
    assert load_feed(warehouse_url, feed) == counts
    assert {name: query(statement) for name, statement in TABLES.items()} == resumed
