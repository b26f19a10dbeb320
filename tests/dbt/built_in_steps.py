"""Rows put into raw by hand, and the models asked for built after each delivery; no identity, no rest."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from raw_rows import STREAMS, Owners

import parsed_project
from chosen_postgres import a_warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings

# What a row of a stream is where it does not say otherwise.
DEFAULTS: dict[str, dict[str, Any]] = {
    "web_events": {"source": "web", "event_name": "page_view", "mode": "append"},
    "orders": {"source": "shop", "mode": "upsert"},
    "order_lines": {"source": "shop", "unit_price": 1, "mode": "upsert"},
    "refunds": {"source": "shop", "mode": "upsert"},
    "ticket_versions": {"source": "desk", "mode": "upsert"},
}

# What dbt makes of the team's file, which here is left out where deliveries bring rates.
RATES = """
create schema if not exists intermediate;
create table if not exists intermediate.exchange_rates (
    rate_date date, from_currency text, to_currency text, rate numeric
);
truncate intermediate.exchange_rates
"""

BUILD = """
import json, sys
from datetime import datetime
import psycopg
from dbt.cli.main import dbtRunner
from rapport import dbt
from rapport.ledger import Run, Since
from rapport.settings import Settings

settings = Settings.from_environment()
with dbt.environment(settings.warehouse_url):
    project = dbt.manifest(settings, settings.warehouse_url)
since = None
for number, step in enumerate(json.load(sys.stdin), start=1):
    with psycopg.connect(settings.warehouse_url) as connection:
        for statement in step["statements"]:
            connection.execute(statement[0], statement[1:] or None)
        batch = connection.execute("select coalesce(max(batch_id), 0) from ops.load_batches").fetchone()[0]
    as_of = datetime.fromisoformat(step["as_of"])
    run = Run(number, as_of, batch, "", False, "running", None, as_of, None, since)
    if not step["is_broken_off"]:
        since = Since(number, as_of, batch)
    selected = [*sys.argv[1:], *(["--exclude", *step["left_out"]] if step["left_out"] else [])]
    arguments = ["--quiet", "build", "--exclude-resource-type", "unit_test", "--select", *selected]
    with dbt.environment(settings.warehouse_url):
        built = dbtRunner(project).invoke([*arguments, *dbt.run_arguments(settings, run)])
    if not built.success:
        sys.exit(f"step {number} failed")
"""


@dataclass
class Delivery:
    """Rows that arrive together, with whom their identifiers belong to from then on.

    `rows` holds dicts of the columns of raw's tables by stream, `owners` (kind, source, value) → customer_id,
    `rates` all that are known by then: day, from and to which currency, rate. Its run is broken off before
    the models of `unfinished` are built, and the next one begins where it did. `statements` come last.
    """

    as_of: datetime
    rows: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    owners: Owners = field(default_factory=dict)
    rates: Sequence[tuple[str, str, str, str]] = ()
    unfinished: Sequence[str] = ()
    statements: Sequence[str] = ()


def build(
    settings: Settings, models: Sequence[str], deliveries: Sequence[Delivery], *, at_once: bool = False
) -> None:
    """Put the deliveries into an empty warehouse, and build the models after each or after the last.

    The runs are numbered from 1, the batches likewise: one for each stream of a delivery.
    """
    url = settings.warehouse_url
    assert url is not None
    known: Owners = {}
    steps: list[dict[str, Any]] = []
    waiting: list[list[Any]] = []
    at_last: list[list[Any]] = []
    batches = count(1)
    left_out = ["exchange_rates"] if any(delivery.rates for delivery in deliveries) else []
    for delivery in deliveries:
        for stream, delivered in delivery.rows.items():
            waiting += _load(next(batches), stream, delivered)
        if delivery.rates:
            waiting += _rate(delivery.rates)
        at_last += [[statement] for statement in delivery.statements]
        before = known
        known = known | delivery.owners
        if not at_once or delivery is deliveries[-1]:
            waiting += _resolve(len(steps) + 1, delivery.as_of, known if at_once else before, known)
            waiting += at_last
            steps.append(
                {
                    "statements": waiting,
                    "as_of": delivery.as_of.isoformat(),
                    "left_out": [*left_out, *delivery.unfinished],
                    "is_broken_off": bool(delivery.unfinished),
                }
            )
            waiting, at_last = [], []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    parsed_project.give(settings.home)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, *models],
        input=json.dumps(steps),
        env={
            **environment,
            "PYTHONPATH": str(PROJECT / "plugins"),
            "RAPPORT_HOME": str(settings.home),
            "RAPPORT_CONFIG": str(settings.config),
            "RAPPORT_WAREHOUSE_URL": url,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    parsed_project.keep(settings.home)


@contextmanager
def both_ways(
    postgres: EmbeddedPostgres,
    template: str,
    home: Path,
    models: Sequence[str],
    deliveries: Sequence[Delivery],
) -> Iterator[tuple[str, str]]:
    """Two warehouses with the same rows: one built after each delivery, the other after the last alone."""
    with a_warehouse(postgres, template) as in_steps, a_warehouse(postgres, template) as at_once:
        for url in in_steps, at_once:
            settings = Settings(home, PROJECT / "config", url, None, None)
            build(settings, models, deliveries, at_once=url == at_once)
        yield in_steps, at_once


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What the query gives, in its order."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def _load(batch: int, stream: str, delivered: Sequence[dict[str, Any]]) -> list[list[Any]]:
    said_at = STREAMS[stream][2]
    defaults = DEFAULTS[stream]
    statements: list[list[Any]] = [
        [
            """
            insert into ops.load_batches (
                batch_id, source, stream, mode, feed, file, file_hash, mapping_hash, rows_read, rows_loaded,
                rows_duplicate, rows_rejected, started_at, latest_time, delivery
            )
            values (%s, %s, %s, %s, %s, %s, %s, '', 0, 0, 0, 0, now(), %s, %s)
            """,
            batch,
            defaults["source"],
            stream,
            defaults["mode"],
            defaults["source"],
            str(batch),
            str(batch),
            max((row[said_at] for row in delivered), default=None),
            batch,
        ]
    ]
    for number, row in enumerate(delivered):
        names = {**defaults, "line_number": number, **row}
        if isinstance(names.get("properties"), dict):
            names["properties"] = json.dumps(names["properties"])
        statements.append(
            [
                f"insert into raw.{stream} ({', '.join(names)}, row_key, content_hash, batch_id)"
                f" values ({', '.join(['%s'] * len(names))}, md5(%s)::uuid, md5(%s)::uuid, %s)",
                *names.values(),
                f"{batch}:{number}",
                f"{batch}:{number}",
                batch,
            ]
        )
    return statements


def _rate(rates: Sequence[tuple[str, str, str, str]]) -> list[list[Any]]:
    return [
        [RATES],
        *[["insert into intermediate.exchange_rates values (%s, %s, %s, %s)", *rate] for rate in rates],
    ]


def _resolve(run: int, as_of: datetime, before: Owners, owners: Owners) -> list[list[Any]]:
    """What identity leaves behind for a run: whose each identifier is, and which ones have moved."""
    moved = {key: owner for key, owner in owners.items() if before.get(key) != owner}
    return [
        [
            "insert into ops.runs (run_id, as_of, config_hash, state) overriding system value"
            " values (%s, now(), '', 'succeeded')",
            run,
        ],
        *[
            [
                "insert into identity.identifier_changes values (%s, %s, %s, %s, 1, %s, %s)",
                run,
                *key,
                before.get(key),
                owner,
            ]
            for key, owner in moved.items()
        ],
        *[
            [
                "insert into identity.customers values (%s, 'email', '', %s, 1, now(), 1)"
                " on conflict do nothing",
                owner,
                owner,
            ]
            for owner in owners.values()
        ],
        ["delete from identity.identifiers"],
        *[
            [
                "insert into identity.identifiers values (%s, %s, %s, %s, 1, now(), now(), now())",
                *key,
                owner,
            ]
            for key, owner in owners.items()
        ],
        ["delete from identity.watermark"],
        [
            "insert into identity.watermark (run_id, as_of, max_batch_id)"
            " select %s, %s, coalesce(max(batch_id), 0) from ops.load_batches",
            run,
            as_of.isoformat(),
        ],
    ]
