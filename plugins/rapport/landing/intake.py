"""What a person should know of the sources after a run: freshness, what is held, new, gone, rejected."""

from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from rapport.landing import drift, freshness, held, quarantine, vanished
from rapport.landing.drift import NewColumn
from rapport.landing.freshness import Freshness
from rapport.landing.held import HeldBatch
from rapport.landing.vanished import VanishedFiles
from rapport.ledger import Run


@dataclass(frozen=True)
class Intake:
    """`freshness` and `new_columns` are those of the run, `vanished` what was noticed since the run before;
    `held` and `rejected_rows` are as of now.

    `rejected_rows` counts, by feed, the rows that are out and were not settled by a retry or a later reading.
    """

    freshness: list[Freshness]
    new_columns: list[NewColumn]
    vanished: list[VanishedFiles]
    held: list[HeldBatch]
    rejected_rows: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values; times in ISO 8601, durations in seconds."""
        return {
            "freshness": {
                fresh.feed: {
                    "state": fresh.state,
                    "newest_record_at": _iso(fresh.newest_record_at),
                    "warn_after_seconds": _seconds(fresh.warn_after),
                    "error_after_seconds": _seconds(fresh.error_after),
                }
                for fresh in self.freshness
            },
            "new_columns": [asdict(column) for column in self.new_columns],
            "vanished": [asdict(files) for files in self.vanished],
            "held": [
                {**asdict(batch), "held_at": _iso(batch.held_at), "accepted_at": _iso(batch.accepted_at)}
                for batch in self.held
            ],
            "rejected_rows": self.rejected_rows,
        }


def of_run(connection: psycopg.Connection, run: Run) -> Intake:
    """What the ledger says now, and of the run."""
    row = connection.execute(
        """
        select
            coalesce(max(max_batch_id) filter (where run_id < %(run)s), 0),
            coalesce(
                max(max_batch_id) filter (where run_id = %(run)s),
                (select max(batch_id) from ops.load_batches),
                0
            ),
            max(coalesce(ended_at, started_at)) filter (where run_id < %(run)s)
        from ops.runs
        """,
        {"run": run.run_id},
    ).fetchone()
    assert row is not None
    return Intake(
        freshness=freshness.of_run(connection, run.run_id),
        new_columns=drift.new_columns(connection, after_batch=row[0], up_to_batch=row[1]),
        vanished=vanished.noticed_between(connection, row[2], run.ended_at),
        held=held.held_batches(connection),
        rejected_rows=quarantine.waiting_rows(connection),
    )


def _iso(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat()


def _seconds(duration: Any) -> int | None:
    return None if duration is None else int(duration.total_seconds())
