"""Today: did last night work? One sentence, the run's steps, the sources, the checks, thirty days."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from psycopg.rows import class_row

from rapport import report, warehouse
from rapport.terminal import STEP_NAMES
from rapport.web.access import Viewer
from rapport.web.database import figures
from rapport.web.rendering import page

router = APIRouter()
HISTORY_DAYS = 30


@dataclass(frozen=True)
class PastRun:
    """A run as a cell of the history."""

    run_id: int
    as_of: datetime
    state: str
    failed_checks: int
    seconds: float | None


@dataclass(frozen=True)
class FailedCheck:
    """A data test that failed, with what it says about the data."""

    test: str
    model: str | None
    failures: int | None
    description: str | None


@router.get("/")
def today(request: Request, who: Viewer) -> HTMLResponse:
    """The newest run and those of the last thirty days."""
    settings = request.app.state.settings
    last = report.last_run(warehouse.ensure(settings))
    if last is None:
        return page(request, "today_empty.html", who=who)
    with figures(settings) as connection:
        return page(
            request,
            "today.html",
            who=who,
            report=last,
            sentence=report.in_words(last),
            step_names=STEP_NAMES,
            history=_history(connection, last.as_of),
            failed=_failed_checks(connection, last.run_id),
        )


def _history(connection: psycopg.Connection, as_of: datetime) -> list[PastRun]:
    with connection.cursor(row_factory=class_row(PastRun)) as cursor:
        return cursor.execute(
            """
            with failed as (
                select run_id, count(*) as checks
                from ops.test_results
                where status in ('fail', 'error')
                group by run_id
            )

            select
                run_id, as_of, state,
                coalesce(failed.checks, 0) as failed_checks,
                extract(epoch from ended_at - started_at)::float8 as seconds
            from ops.runs
            left join failed using (run_id)
            where as_of > %s - make_interval(days => %s)
            order by as_of, run_id
            """,
            [as_of, HISTORY_DAYS],
        ).fetchall()


def _failed_checks(connection: psycopg.Connection, run_id: int) -> list[FailedCheck]:
    with connection.cursor(row_factory=class_row(FailedCheck)) as cursor:
        return cursor.execute(
            """
            select test, model, failures, description from ops.test_results
            where run_id = %s and status in ('fail', 'error')
            order by test
            """,
            [run_id],
        ).fetchall()
