"""Loads that are killed: the loading process, or the PostgreSQL server, with SIGKILL at a random moment."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT

LOADING = """
import sys
from pathlib import Path
from rapport.landing.load import load_feed
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds

url, config = sys.argv[1:]
feeds = read_feeds(Settings(Path(config), Path(config), None, None, None))
print("loading", flush=True)
for feed in feeds:
    load_feed(url, feed)
"""
TABLES = {
    "lines": "select row_key, content_hash, batch_id, line_number, revision from raw.order_lines order by 1",
    "events": "select tableoid::regclass::text, row_key, batch_id from raw.web_events order by 2",
    "people": "select row_key, batch_id, line_number, is_deleted, first_name from raw.contacts order by 1",
    "batches": """
        select batch_id, feed, file, file_hash, rows_read, rows_loaded, rows_duplicate, rows_rejected,
            newest_record_at, latest_time, delivery, revision, replaced_by
        from ops.load_batches order by 1
    """,
    "rejected": "select batch_id, line_number, column_name, value, reason, record from ops.rejected_records"
    " order by 1, 2",
    "columns": "select feed, column_name, first_batch_id from ops.source_columns order by 1, 2",
}


def write_feeds(config: Path, landing: Path, rows: int) -> None:
    """Three feeds with duplicates, bad rows, two months of events and records that a later snapshot lacks."""
    chance = random.Random(7)
    (config / "sources").mkdir(parents=True, exist_ok=True)
    landing.mkdir(exist_ok=True)
    for name, text in {
        "lines": "stream: order_lines\nread: {files: LANDING/lines*}\n"
        "columns: {order_id: o, ordered_at: at, quantity: q, unit_price: p}\n",
        "events": "stream: web_events\nread: {files: LANDING/events*}\n"
        "columns: {event_id: id, event_name: name, occurred_at: at}\n",
        "people": "stream: contacts\nmode: snapshot\nread: {files: LANDING/people*}\n"
        "columns: {contact_id: id, updated_at: at, first_name: name}\n",
    }.items():
        (config / "sources" / f"{name}.yml").write_text(text.replace("LANDING", str(landing)))
    for number in range(2):
        with (landing / f"lines{number}.csv").open("w") as stream:
            stream.write("o,at,q,p\n")
            for n in range(number * rows // 2, number * rows // 2 + rows):
                stream.write(f"{n // 3},2026-01-01 10:00,{'x' if n % 1000 == 0 else n % 3},2.50\n")
        with (landing / f"events{number}.csv").open("w") as stream:
            stream.write("id,name,at\n")
            for n in range(rows):
                at = f"2026-0{3 + number}-{chance.randint(1, 28):02}T10:00:00Z"
                stream.write(f"{number}-{n % (rows - 9)},view,{at}\n")
        with (landing / f"people{number}.csv").open("w") as stream:
            stream.write("id,at,name\n")
            for n in range(number * 5, 500):
                stream.write(f"{n},2026-01-01,{'Anne' if number and n % 10 == 0 else 'Ann'}\n")


def loading(url: str, config: Path) -> subprocess.Popen[bytes]:
    """A process that loads every feed; it has begun when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOADING, url, str(config)],
        env={"PYTHONPATH": str(PROJECT / "plugins")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"loading\n"
    return process


def kill_server(server: EmbeddedPostgres) -> None:
    """End every process of the server at once."""
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for member in family:
        if member.is_running():
            os.kill(member.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
