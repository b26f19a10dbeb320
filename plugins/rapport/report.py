"""What a run did, read from the ledger: as data for machines, as a page of text for people."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from rapport import ledger, warehouse
from rapport.landing import freshness, intake
from rapport.landing.freshness import Freshness, FreshnessState
from rapport.landing.intake import Intake
from rapport.ledger import Run


@dataclass(frozen=True)
class Step:
    """A row of `ops.run_steps`. The last four name the task of Airflow that did it, if one did."""

    dag: str
    step: str
    state: str
    rows_read: int | None
    rows_loaded: int | None
    rows_duplicate: int | None
    rows_rejected: int | None
    rows_out: int | None
    message: str | None
    seconds: float | None
    dag_run_id: str | None
    task_id: str | None
    map_index: int | None
    try_number: int | None


@dataclass(frozen=True)
class Campaign:
    """Messages by what became of them: `planned` passed every check, `held` were then stopped as a whole.

    `sent_before` counts what earlier runs' editions of the campaign sent.
    """

    campaign: str
    planned: int
    sent: int
    held: int
    skipped: dict[str, int]
    held_because: str | None
    sent_before: int


@dataclass(frozen=True)
class RunReport:
    """One run, in what costs the same however much the warehouse holds."""

    run_id: int
    as_of: datetime
    state: str
    message: str | None
    started_at: datetime
    ended_at: datetime | None
    steps: list[Step]
    tests: dict[str, int]
    failed_tests: list[str]
    freshness: list[Freshness]
    campaigns: list[Campaign]


@dataclass(frozen=True)
class Report(RunReport):
    """One run, whole; what waits for a person's review of identities is as of now."""

    customers: int | None
    segments: dict[str, int]
    intake: Intake
    to_review: int
    proposed_merges: int

    def as_json(self) -> dict[str, Any]:
        """Plain values; times in ISO 8601, campaigns by name."""
        content = asdict(replace(self, intake=None, freshness=[]))  # type: ignore[arg-type]
        content.pop("intake")
        content.pop("freshness")
        content["sources"] = self.intake.as_json()
        for key in ("as_of", "started_at", "ended_at"):
            content[key] = content[key].isoformat() if content[key] else None
        content["campaigns"] = {campaign.pop("campaign"): campaign for campaign in content["campaigns"]}
        return content


def last_run(url: str) -> Report | None:
    """The newest run's report, or None before the first run."""
    from rapport.identity import review

    with warehouse.connect(url) as connection:
        run = ledger.newest_run(connection)
        if run is None:
            return None
        to_review, proposed_merges = review.count(connection)
        outline = _outline(connection, run)
        return Report(
            **outline,
            customers=_customers(connection),
            segments=_pairs(
                connection,
                """
                select pg_views.viewname, count(members.customer_id)
                from pg_catalog.pg_views
                left join segments.members on pg_views.viewname = members.segment
                where pg_views.schemaname = 'segments'
                group by pg_views.viewname
                order by pg_views.viewname
                """,
                [],
            ),
            campaigns=_campaigns(connection, run.run_id, with_earlier=True),
            intake=intake.of_run(connection, run),
            to_review=to_review,
            proposed_merges=proposed_merges,
        )


def run_report(connection: psycopg.Connection, run: Run) -> RunReport:
    """A run as the pages and the digest tell it, with its own campaigns alone."""
    return RunReport(**_outline(connection, run), campaigns=_campaigns(connection, run.run_id))


def _outline(connection: psycopg.Connection, run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "as_of": run.as_of,
        "state": run.state,
        "message": run.message,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "steps": _steps(connection, run.run_id),
        "tests": _pairs(
            connection,
            "select status, count(*) from ops.test_results where run_id = %s group by status",
            [run.run_id],
        ),
        "failed_tests": _failed_tests(connection, run.run_id),
        "freshness": freshness.of_run(connection, run.run_id),
    }


def in_words(report: RunReport) -> str:
    """Whether the run went well, in one sentence: sources, checks, mails, and what stands still and why."""
    parts = [_sources(report.freshness), _tests(report.tests, report.failed_tests)]
    sent = sum(campaign.sent for campaign in report.campaigns)
    parts.append(f"{sent:,} {'e-mail' if sent == 1 else 'e-mails'} sent")
    held = [campaign for campaign in report.campaigns if campaign.held_because]
    if held:
        reasons = ", ".join(f"{campaign.campaign} ({campaign.held_because})" for campaign in held)
        parts.append(f"{len(held)} {'campaign' if len(held) == 1 else 'campaigns'} held: {reasons}")
    if report.state == "running":
        parts.insert(0, "Still running")
    elif report.state != "succeeded":
        parts.insert(0, f"The run {report.state}{_where(report.steps)}")
    said = ", ".join(part for part in parts if part)
    return said[:1].upper() + said[1:]


def _where(steps: list[Step]) -> str:
    """The steps whose last try failed; the first three by name."""
    last = {(step.dag, step.step): step for step in steps}
    failed = [step.step.replace("_", " ") for step in last.values() if step.state == "failed"]
    if not failed:
        return ""
    more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
    return f" at {', '.join(failed[:3])}{more}"


def _sources(feeds: list[Freshness]) -> str:
    limited = [feed for feed in feeds if feed.state is not FreshnessState.NONE]
    late = [feed.feed for feed in limited if feed.state is not FreshnessState.PASS]
    if late:
        return f"{len(late)} of {len(limited)} sources late: {', '.join(late)}"
    return f"all {len(limited)} sources fresh" if limited else ""


def _tests(tests: dict[str, int], failed: list[str]) -> str:
    if failed:
        return f"{len(failed)} {'check' if len(failed) == 1 else 'checks'} failed: {', '.join(failed)}"
    return f"{tests.get('pass', 0):,} checks passed" if tests else ""


def _customers(connection: psycopg.Connection) -> int | None:
    row = connection.execute("select to_regclass('marts.customers') is not null").fetchone()
    if row is None or not row[0]:
        return None
    count = connection.execute("select count(*) from marts.customers").fetchone()
    return count[0] if count is not None else None


def _steps(connection: psycopg.Connection, run_id: int) -> list[Step]:
    with connection.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(
            """
            select
                dag, step, state, rows_read, rows_loaded, rows_duplicate, rows_rejected, rows_out, message,
                extract(epoch from ended_at - started_at)::float8 as seconds,
                dag_run_id, task_id, map_index, try_number
            from ops.run_steps
            where run_id = %s
            order by step_id
            """,
            [run_id],
        ).fetchall()


def _failed_tests(connection: psycopg.Connection, run_id: int) -> list[str]:
    rows = connection.execute(
        "select test from ops.test_results where run_id = %s and status in ('fail', 'error') order by test",
        [run_id],
    ).fetchall()
    return [row[0] for row in rows]


def _campaigns(connection: psycopg.Connection, run_id: int, *, with_earlier: bool = False) -> list[Campaign]:
    """By what became of the messages that the run planned; `with_earlier` also counts those of all others."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """
            with counted as (
                select
                    editions.campaign,
                    editions.run_id = %(run)s as is_of_run,
                    editions.state = 'held' as is_held,
                    editions.state_reason as held_because,
                    messages.state,
                    messages.state_reason,
                    count(messages.message_id) as messages
                from activation.editions
                left join activation.messages using (edition_id)
                where editions.run_id = %(run)s or %(with_earlier)s
                group by 1, 2, 3, 4, 5, 6
            ),

            reasons as (
                select campaign, jsonb_object_agg(state_reason, messages order by state_reason) as skipped
                from (
                    select campaign, state_reason, sum(messages) as messages
                    from counted
                    where is_of_run and state = 'skipped'
                    group by 1, 2
                ) as by_reason
                group by 1
            )

            select
                counted.campaign,
                coalesce(sum(messages) filter (where is_of_run and state <> 'skipped'), 0)::bigint as planned,
                coalesce(sum(messages) filter (where is_of_run and state = 'accepted'), 0)::bigint as sent,
                coalesce(
                    sum(messages) filter (where is_of_run and is_held and state = 'planned'), 0
                )::bigint as held,
                coalesce((array_agg(reasons.skipped))[1], '{}'::jsonb) as skipped,
                max(held_because) filter (where is_of_run and is_held) as held_because,
                coalesce(
                    sum(messages) filter (where not is_of_run and state = 'accepted'), 0
                )::bigint as sent_before
            from counted
            left join reasons using (campaign)
            group by counted.campaign
            order by counted.campaign
            """,
            {"run": run_id, "with_earlier": with_earlier},
        ).fetchall()
    return [Campaign(**row) for row in rows]


def _pairs(connection: psycopg.Connection, query: str, parameters: list[Any]) -> dict[str, int]:
    return dict(connection.execute(query, parameters).fetchall())
