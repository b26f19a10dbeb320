"""A run as people look at it, on the Today page and in the digest: its stages, what failed, thirty days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import quote

import psycopg
from psycopg.rows import class_row

from rapport.report import RunReport, Step

HISTORY_DAYS = 30

# The stages after the loads: what each is called, and the steps it is made of. Rows are those of the last.
STAGES = (
    ("Clean and check", ("build_staging",)),
    ("Who is who", ("resolve_identity",)),
    ("Customer view", ("build_marts",)),
    ("Segments", ("build_segments", "record_memberships")),
    ("Plan", ("plan_campaigns",)),
    ("Send", ("send_due",)),
)
# What is not of the road from the sources to the mails and is shown only where it did not end well.
ASIDE = ("pull_suppressions", "tidy")
WORST_FIRST = ("failed", "interrupted", "running", "succeeded")


@dataclass(frozen=True)
class Stage:
    """A part of the run. Counts are None where they do not apply; the words say what is counted.

    `state` is the worst of its steps' last tries, `waiting` where none has begun.
    """

    name: str
    state: str
    steps: list[Step]
    rows_in: int | None = None
    rows_out: int | None = None
    rejected: int | None = None
    unit_in: str = "in"
    unit_out: str = "out"
    unit_rejected: str = "rejected"
    failed_checks: int = 0

    @property
    def seconds(self) -> float | None:
        """Time at work, of all its steps together."""
        known = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class FailedCheck:
    """A data test that failed: what it says of the data when it passes, and who answers for that."""

    test: str
    layer: str
    model: str | None
    failures: int | None
    description: str | None
    owner: str | None


@dataclass(frozen=True)
class Day:
    """A day of the history, by as_of in UTC. `run_id` is its newest run; None where there was none."""

    day: date
    runs: int
    failed_runs: int
    failed_checks: int
    run_id: int | None
    state: str | None

    @property
    def tone(self) -> str:
        """How the day ended: good, bad, or busy where it was mended or goes on."""
        if self.run_id is None:
            return "none"
        if self.state in ("failed", "interrupted"):
            return "bad"
        return "busy" if self.state == "running" or self.failed_runs or self.failed_checks else "good"


def stages(report: RunReport, failed: Sequence[FailedCheck]) -> list[Stage]:
    """The road from the sources to the mails, in its order."""
    last = {(step.dag, step.step): step for step in report.steps}
    return [_loading(list(last.values())), *_later(list(last.values()), report, failed)]


def loads(report: RunReport) -> list[Step]:
    """The last try of each feed's load, by feed."""
    last = {step.step: step for step in report.steps if _is_load(step)}
    return [last[feed] for feed in sorted(last)]


def aside(report: RunReport) -> list[Step]:
    """What did not end well beside the road."""
    last = {step.step: step for step in report.steps if step.step in ASIDE}
    return [step for step in last.values() if step.state != "succeeded"]


def failed_checks(connection: psycopg.Connection, run_id: int) -> list[FailedCheck]:
    """The checks of a run that failed, or could not be made."""
    with connection.cursor(row_factory=class_row(FailedCheck)) as cursor:
        return cursor.execute(
            """
            select test, layer, model, failures, description, owner
            from ops.test_results
            where run_id = %s and status in ('fail', 'error')
            order by layer, test
            """,
            [run_id],
        ).fetchall()


def history(connection: psycopg.Connection, until: datetime) -> list[Day]:
    """The thirty days that end with that of `until`, the oldest first; a day without a run has none."""
    last = until.date()
    with connection.cursor(row_factory=class_row(Day)) as cursor:
        found = {
            day.day: day
            for day in cursor.execute(
                """
                with judged as (
                    select
                        runs.run_id, runs.state, failed.checks,
                        (runs.as_of at time zone 'UTC')::date as day
                    from ops.runs
                    cross join lateral (
                        select count(*) as checks from ops.test_results
                        where test_results.run_id = runs.run_id and status in ('fail', 'error')
                    ) as failed
                    where runs.as_of >= %(first)s and runs.as_of < %(end)s
                )

                select
                    day,
                    count(*) as runs,
                    count(*) filter (where state in ('failed', 'interrupted')) as failed_runs,
                    sum(checks)::bigint as failed_checks,
                    max(run_id) as run_id,
                    (array_agg(state order by run_id desc))[1] as state
                from judged
                group by day
                """,
                {
                    "first": datetime.combine(
                        last - timedelta(days=HISTORY_DAYS - 1), datetime.min.time(), until.tzinfo
                    ),
                    "end": datetime.combine(last + timedelta(days=1), datetime.min.time(), until.tzinfo),
                },
            )
        }
    days = (last - timedelta(days=back) for back in reversed(range(HISTORY_DAYS)))
    return [found.get(day) or Day(day, 0, 0, 0, None, None) for day in days]


def task_log(root: str, step: Step) -> str | None:
    """Where Airflow shows the log of the task that did a step; None where no task did.

    Args:
        root: where the pages are mounted: Airflow's own pages are one level up.
    """
    if step.dag_run_id is None or step.task_id is None:
        return None
    mapped = f"/mapped/{step.map_index}" if step.map_index is not None and step.map_index >= 0 else ""
    return (
        f"{root.rpartition('/')[0]}/dags/{quote(step.dag)}/runs/{quote(step.dag_run_id, safe='')}"
        f"/tasks/{quote(step.task_id)}{mapped}?try_number={step.try_number}"
    )


def _is_load(step: Step) -> bool:
    return step.dag.startswith("ingest_")


def _loading(steps: list[Step]) -> Stage:
    mine = [step for step in steps if _is_load(step)]
    return Stage(
        "Load",
        _state(mine),
        mine,
        rows_in=_sum(step.rows_read for step in mine),
        rows_out=_sum(step.rows_loaded for step in mine),
        rejected=_sum(step.rows_rejected for step in mine),
        unit_in="rows read",
        unit_out="new",
    )


def _later(steps: list[Step], report: RunReport, failed: Sequence[FailedCheck]) -> Iterator[Stage]:
    planned = sum(campaign.planned for campaign in report.campaigns)
    skipped = sum(sum(campaign.skipped.values()) for campaign in report.campaigns)
    for name, step_names in STAGES:
        mine = [step for step in steps if step.step in step_names]
        out = mine[-1].rows_out if mine else None
        state = _state(mine)
        if not mine:
            yield Stage(name, state, mine)
        elif name == "Who is who":
            yield Stage(name, state, mine, rows_out=out, unit_out="customers")
        elif name == "Segments":
            yield Stage(
                name, state, mine, rows_out=out, unit_out="members", failed_checks=_in(failed, "segments")
            )
        elif name == "Plan":
            yield Stage(
                name,
                state,
                mine,
                rows_in=planned + skipped,
                rows_out=planned,
                rejected=skipped,
                unit_in="candidates",
                unit_out="planned",
                unit_rejected="left out",
            )
        elif name == "Send":
            yield Stage(name, state, mine, rows_in=planned, rows_out=out, unit_in="planned", unit_out="sent")
        else:
            layer = "staging" if name == "Clean and check" else "marts"
            yield Stage(name, state, mine, rows_out=out, unit_out="rows", failed_checks=_in(failed, layer))


def _state(steps: Sequence[Step]) -> str:
    states = {step.state for step in steps}
    return next((state for state in WORST_FIRST if state in states), "waiting")


def _in(failed: Sequence[FailedCheck], layer: str) -> int:
    return sum(check.layer == layer for check in failed)


def _sum(counts: Iterator[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
