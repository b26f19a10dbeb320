"""Days, weeks and months in UTC, up to the time that the newest customer view was built for."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import psycopg
from fastapi import HTTPException, status

from rapport import ledger

Unit = Literal["day", "week", "month"]
MOST = 400


@dataclass(frozen=True)
class Period:
    """`end` is the day after the last; a period that is not over is marked as such wherever it is shown."""

    start: date
    end: date
    unit: Unit
    is_over: bool

    @property
    def label(self) -> str:
        """Nov 2026, or 16 Nov 2026 for the week from that Monday on and for the day."""
        name = f"{self.start:%b %Y}" if self.unit == "month" else f"{self.start.day} {self.start:%b %Y}"
        return name if self.is_over else f"{name} so far"


def view_as_of(connection: psycopg.Connection, mart: str) -> datetime | None:
    """The time that the newest customer view was built for; None before the first with this mart in it."""
    found = connection.execute("select to_regclass(%s)", [f"marts.{mart}"]).fetchone()
    view = ledger.newest_view(connection) if found is not None and found[0] is not None else None
    return view.as_of.astimezone(UTC) if view is not None else None


def last_periods(unit: Unit, as_of: datetime, count: int) -> list[Period]:
    """The last `count` periods up to the one that `as_of` lies in, the oldest first."""
    last_day = (as_of - timedelta(microseconds=1)).date()
    start = _start(unit, last_day)
    starts = [start]
    while len(starts) < count:
        starts.append(_start(unit, starts[-1] - timedelta(days=1)))
    return [_period(unit, each, as_of) for each in reversed(starts)]


def periods_between(unit: Unit, first: date, end: date, as_of: datetime) -> list[Period]:
    """The periods with a day in [first, end) that have begun.

    Raises:
        HTTPException: there are more of them than a chart can show.
    """
    found = []
    each = _start(unit, first)
    while each < min(end, (as_of + timedelta(days=1)).date()) and each <= (as_of.date()):
        found.append(_period(unit, each, as_of))
        each = found[-1].end
        if len(found) > MOST:
            raise HTTPException(
                status.HTTP_422_UNPROCESSABLE_CONTENT,
                f"{first} to {end} has more than {MOST} {unit}s; ask for fewer, or for longer ones",
            )
    return found


def _period(unit: Unit, start: date, as_of: datetime) -> Period:
    end = _next(unit, start)
    return Period(start, end, unit, datetime(end.year, end.month, end.day, tzinfo=UTC) <= as_of)


def _start(unit: Unit, of: date) -> date:
    if unit == "month":
        return of.replace(day=1)
    return of - timedelta(days=of.weekday()) if unit == "week" else of


def _next(unit: Unit, start: date) -> date:
    if unit == "month":
        return (start + timedelta(days=31)).replace(day=1)
    return start + timedelta(days=7 if unit == "week" else 1)
