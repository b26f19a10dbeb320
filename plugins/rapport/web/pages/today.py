"""Today: did last night work? One sentence, the run's stages, the sources, the checks, thirty days."""

import psycopg
from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import HTMLResponse

from rapport import ledger, night, report
from rapport.errors import ConfigurationError
from rapport.ledger import Run
from rapport.web.access import Role, Viewer, Visitor
from rapport.web.database import figures
from rapport.web.rendering import page

router = APIRouter()


@router.get("/")
def today(request: Request, who: Viewer) -> HTMLResponse:
    """The newest run and the last thirty days."""
    with figures(request.app.state.settings) as connection:
        newest = ledger.newest_run(connection)
        if newest is None:
            return page(request, "today_empty.html", who=who)
        return _told(request, who, connection, newest, newest)


@router.get("/runs/{run_id}")
def past_run(request: Request, who: Viewer, run_id: int) -> HTMLResponse:
    """A run of the past, told in the same way."""
    with figures(request.app.state.settings) as connection:
        try:
            run = ledger.run(connection, run_id)
        except ConfigurationError:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no run {run_id}.") from None
        newest = ledger.newest_run(connection)
        assert newest is not None
        return _told(request, who, connection, run, newest)


def _told(
    request: Request, who: Visitor, connection: psycopg.Connection, run: Run, newest: Run
) -> HTMLResponse:
    told = report.run_report(connection, run)
    failed = night.failed_checks(connection, run.run_id)
    is_engineer = who.may(Role.OPERATOR)
    root = request.scope.get("root_path", "")
    return page(
        request,
        "today.html",
        who=who,
        report=told,
        sentence=report.in_words(told),
        is_newest=run.run_id == newest.run_id,
        stages=night.stages(told, failed),
        loads=night.loads(told),
        aside=night.aside(told),
        freshness={feed.feed: feed for feed in told.freshness},
        failed=failed,
        history=night.history(connection, newest.as_of),
        same_day=_same_day(connection, run),
        # What an error says may quote a record.
        may_read_errors=who.may(Role.MARKETER),
        log_of=lambda step: night.task_log(root, step) if is_engineer else None,
    )


def _same_day(connection: psycopg.Connection, run: Run) -> list[tuple[int, str]]:
    """The runs of the run's day, the newest first, and how each ended; at most a hundred."""
    return connection.execute(
        """
        select run_id, state from ops.runs
        where
            as_of >= date_trunc('day', %(as_of)s::timestamptz, 'UTC')
            and as_of < date_trunc('day', %(as_of)s::timestamptz, 'UTC') + interval '1 day'
        order by run_id desc
        limit 100
        """,
        {"as_of": run.as_of},
    ).fetchall()
