"""What the digest says: counts, names of feeds, checks and campaigns, and nothing of any person.

What a failed step says is left to the pages, where roles guard it: it may quote a record.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from rapport import night, report
from rapport.delivery.rendering import Rendered
from rapport.ledger import Run
from rapport.report import RunReport

# A night without a run is news, too.
OVERDUE = timedelta(hours=26)

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(connection: psycopg.Connection, run: Run, now: datetime, pages: str | None) -> Rendered:
    """The digest of a run, as subject, text and HTML.

    Args:
        now: in which day's digest it is told.
        pages: Airflow's address, for links.
    """
    told = report.run_report(connection, run)
    failed = night.failed_checks(connection, run.run_id)
    is_overdue = now - run.as_of > OVERDUE
    sentence = report.in_words(told)
    if is_overdue:
        sentence = f"No run since {_moment(run.as_of)}. That one: {sentence}"
    verdict, tone = _verdict(told, len(failed), is_overdue)
    values: dict[str, Any] = {
        "run": told,
        "day": _day(now),
        "sentence": sentence,
        "verdict": verdict,
        "tone": tone,
        "failed": failed,
        "stages": night.stages(told, failed),
        "loads": night.loads(told),
        "freshness": {feed.feed: feed for feed in told.freshness},
        "history": night.history(connection, told.as_of),
        "pages": pages.rstrip("/") if pages else None,
    }
    html, text = (_ENVIRONMENT.get_template(name).render(values) for name in ("digest.html", "digest.txt"))
    return Rendered(f"Rapport, {_day(now)}: {verdict}", html, text)


def _verdict(told: RunReport, failed_checks: int, is_overdue: bool) -> tuple[str, str]:
    """A few words for the subject, and good, busy or bad."""
    late = sum(feed.state in ("warn", "error") for feed in told.freshness)
    held = sum(campaign.held_because is not None for campaign in told.campaigns)
    if is_overdue:
        return "no run last night", "bad"
    if failed_checks:
        return f"{failed_checks} {'check' if failed_checks == 1 else 'checks'} failed", "bad"
    if told.state in ("failed", "interrupted"):
        return f"the run {'failed' if told.state == 'failed' else 'was cut off'}", "bad"
    if told.state == "running":
        return "still running", "busy"
    if late:
        return f"{late} {'source' if late == 1 else 'sources'} late", "busy"
    if held:
        return f"{held} {'campaign' if held == 1 else 'campaigns'} held", "busy"
    return "all well", "good"


def _day(value: datetime) -> str:
    return f"{value.day} {value:%b %Y}"


def _moment(value: datetime) -> str:
    exact = value.astimezone(UTC)
    return f"{_day(exact)}, {exact:%H:%M} UTC"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _words(name: str) -> str:
    return name.replace("_", " ")


_ENVIRONMENT.filters |= {"moment": _moment, "count": _count, "words": _words}
