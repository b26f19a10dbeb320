"""Sending with processes of its own: two for the many, none for a few.

Nothing of Airflow is in them, and they stop claiming when the process that started them is gone.
"""

import gc
import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import rapport.errors
from rapport import warehouse
from rapport.delivery import outbox
from rapport.delivery.chunks import Worker
from rapport.delivery.configuration import read_delivery
from rapport.delivery.counts import SendCounts
from rapport.delivery.transports import is_real
from rapport.errors import RapportError, ServiceFailed
from rapport.settings import Settings

FEW = 2_000  # due messages up to which one process, this one, is enough
PROCESSES = 2

_PLUGINS = Path(__file__).resolve().parents[2]


def send_due(url: str, settings: Settings, *, now: datetime) -> SendCounts:
    """As `outbox.send_due`, in processes of its own where there is much to send."""
    if not is_real(read_delivery(settings), now) or not _are_many(url, now):
        return outbox.send_due(url, settings, now=now)
    return send_in_processes(url, settings, now=now, processes=min(PROCESSES, os.cpu_count() or 1))


def send_in_processes(url: str, settings: Settings, *, now: datetime, processes: int) -> SendCounts:
    """Send with so many processes, each a share of the messages.

    Raises:
        RapportError: what stopped one of them, once all have ended.
    """
    started = [start(url, settings, now, Worker(number, processes)) for number in range(processes)]
    outcomes = [_outcome(process) for process in started]
    counts = SendCounts()
    for outcome in outcomes:
        if "error" in outcome:
            raise getattr(rapport.errors, outcome["error"], ServiceFailed)(outcome["message"])
        counts.add(SendCounts(**outcome["counts"]))
    return counts


def _are_many(url: str, now: datetime) -> bool:
    with warehouse.connect(url, autocommit=True) as connection:
        row = connection.execute(
            """
            select count(*) from (
                select from activation.messages
                inner join activation.editions using (edition_id)
                where
                    editions.state in ('approved', 'sending')
                    and messages.claimed_at is null
                    and messages.state_reason is null
                    and messages.state = 'planned'
                    and messages.due_at <= %s
                limit %s
            ) as due
            """,
            [now, FEW + 1],
        ).fetchone()
    return row is not None and int(row[0]) > FEW


def start(url: str, settings: Settings, now: datetime, worker: Worker) -> subprocess.Popen[str]:
    """What it is to do goes through a pipe: the command line can be read by everybody on the machine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rapport.delivery.senders"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_PLUGINS), *sys.path])},
    )
    assert process.stdin is not None
    order = {"url": url, "now": now.isoformat(), "worker": asdict(worker), "settings": asdict(settings)}
    process.stdin.write(json.dumps(order, default=str))
    process.stdin.close()
    return process


def _outcome(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    code = process.wait()
    try:
        outcome: dict[str, Any] = json.loads(said)
    except json.JSONDecodeError:
        return {"error": "ServiceFailed", "message": f"a sending process ended with {code}; its log says why"}
    return outcome


def main() -> None:
    """One such process: its order comes on standard input, what it did goes to standard output."""
    order = json.load(sys.stdin)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    # Mails are many small objects without cycles; looking for those every 700 costs an eighth of the time.
    gc.set_threshold(100_000, 20, 20)
    try:
        counts = outbox.send_due(
            order["url"],
            _settings(order["settings"]),
            now=datetime.fromisoformat(order["now"]),
            worker=Worker(**order["worker"]),
        )
    except RapportError as error:
        json.dump({"error": type(error).__name__, "message": str(error)}, sys.stdout)
        return
    json.dump({"counts": asdict(counts)}, sys.stdout)


def _settings(values: dict[str, Any]) -> Settings:
    for field in fields(Settings):
        if field.name in ("home", "config", "postgres_bin") and values[field.name] is not None:
            values[field.name] = Path(values[field.name])
        if isinstance(values[field.name], list):
            values[field.name] = tuple(values[field.name])
    return Settings(**values)


if __name__ == "__main__":
    main()
