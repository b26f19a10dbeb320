"""Events put into raw by hand, and the models of visits built after each delivery; no identity, no rest."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

import parsed_project
from rapport.settings import PROJECT, Settings

MODELS = ["+sessions", "+bot_sessions", "no_event_is_lost_between_visits"]

BUILD = """
import json, sys
from datetime import datetime
import psycopg
from dbt.cli.main import dbtRunner
from rapport import dbt
from rapport.ledger import Run, Since
from rapport.settings import Settings

settings = Settings.from_environment()
since = None
for number, step in enumerate(json.load(sys.stdin), start=int(sys.argv[1])):
    with psycopg.connect(settings.warehouse_url) as connection:
        for statement in step["statements"]:
            connection.execute(statement[0], statement[1:] or None)
        batch = connection.execute("select coalesce(max(batch_id), 0) from ops.load_batches").fetchone()[0]
    as_of = datetime.fromisoformat(step["as_of"])
    run = Run(number, as_of, batch, "", False, "running", None, as_of, None, since)
    since = Since(number, as_of, batch)
    arguments = ["--quiet", "build", "--exclude-resource-type", "unit_test", "--select", *sys.argv[2:]]
    with dbt.environment(settings.warehouse_url):
        project = dbt.manifest(settings, settings.warehouse_url)
        built = dbtRunner(project).invoke([*arguments, *dbt.run_arguments(settings, run)])
    if not built.success:
        sys.exit(f"step {number} failed")
"""


@dataclass
class Delivery:
    """Events that arrive together, with whom their identifiers belong to from then on.

    `events` holds dicts of raw.web_events' columns, `owners` (kind, source, value) → customer_id.
    """

    as_of: datetime
    events: Sequence[dict[str, Any]] = ()
    owners: dict[tuple[str, str, str], str] = field(default_factory=dict)


def build(settings: Settings, deliveries: Sequence[Delivery], *, at_once: bool = False) -> None:
    """Put the deliveries into an empty warehouse, and build the view after each or after the last.

    The runs are numbered from 1, the batches likewise.
    """
    url = settings.warehouse_url
    assert url is not None
    known: dict[tuple[str, str, str], str] = {}
    steps: list[dict[str, Any]] = []
    waiting: list[list[Any]] = []
    for batch, delivery in enumerate(deliveries, start=1):
        waiting += _load(batch, delivery)
        if not at_once:
            waiting += _move(batch, known, delivery.owners)
        known |= delivery.owners
        if not at_once or batch == len(deliveries):
            waiting += [["delete from identity.identifiers"], *_identifiers(known)]
            steps.append({"statements": waiting, "as_of": delivery.as_of.isoformat()})
            waiting = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    parsed_project.give(settings.home)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, "1", *MODELS],
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


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What the query gives, in its order."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def _load(batch: int, delivery: Delivery) -> list[list[Any]]:
    latest = max((event["occurred_at"] for event in delivery.events), default=None)
    statements: list[list[Any]] = [
        [
            """
            insert into ops.load_batches (
                batch_id, source, stream, mode, feed, file, file_hash, mapping_hash, rows_read, rows_loaded,
                rows_duplicate, rows_rejected, started_at, latest_time, delivery
            )
            values (%s, 'web', 'web_events', 'append', 'web', %s, %s, '', 0, 0, 0, 0, now(), %s, %s)
            """,
            batch,
            str(batch),
            str(batch),
            latest,
            batch,
        ]
    ]
    for number, event in enumerate(delivery.events):
        names = {"source": "web", "event_name": "page_view", "mode": "append", "line_number": number, **event}
        if isinstance(names.get("properties"), dict):
            names["properties"] = json.dumps(names["properties"])
        statements.append(
            [
                f"insert into raw.web_events ({', '.join(names)}, row_key, content_hash, batch_id)"
                f" values ({', '.join(['%s'] * len(names))}, md5(%s)::uuid, md5(%s)::uuid, %s)",
                *names.values(),
                names["event_id"],
                names["event_id"],
                batch,
            ]
        )
    return statements


def _move(
    run: int, known: dict[tuple[str, str, str], str], owners: dict[tuple[str, str, str], str]
) -> list[list[Any]]:
    moved = {key: owner for key, owner in owners.items() if known.get(key) != owner}
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
                known.get(key),
                owner,
            ]
            for key, owner in moved.items()
        ],
    ]


def _identifiers(known: dict[tuple[str, str, str], str]) -> list[list[Any]]:
    statements: list[list[Any]] = []
    for key, owner in known.items():
        statements.append(
            [
                "insert into ops.runs (run_id, as_of, config_hash, state) overriding system value"
                " values (1, now(), '', 'succeeded') on conflict do nothing"
            ]
        )
        statements.append(
            [
                "insert into identity.customers values (%s, 'email', '', %s, 1, now(), 1)"
                " on conflict do nothing",
                owner,
                owner,
            ]
        )
        statements.append(
            [
                "insert into identity.identifiers values (%s, %s, %s, %s, 1, now(), now(), now())",
                *key,
                owner,
            ]
        )
    return statements
