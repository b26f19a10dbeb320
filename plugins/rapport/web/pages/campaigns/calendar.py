"""A campaign's editions on the days of a month, past ones and those that its schedule asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from rapport.web.pages.campaigns.editions import Edition

SHOWN_A_DAY = 3
DAY = timedelta(days=1)


@dataclass(frozen=True)
class CalendarDay:
    """A day (UTC). `slots` are times to come without an edition yet."""

    day: date
    is_of_month: bool
    is_today: bool
    editions: list[Edition]
    slots: list[datetime]


@dataclass(frozen=True)
class Month:
    """Whole weeks, from Monday on. `before` and `after` name the neighbours, like 2026-10."""

    first: date
    weeks: list[list[CalendarDay]]

    @property
    def title(self) -> str:
        return f"{self.first:%B %Y}"

    @property
    def before(self) -> str:
        return f"{self.first - DAY:%Y-%m}"

    @property
    def after(self) -> str:
        return f"{_next_month(self.first):%Y-%m}"


def first_of_month(written: str | None, today: date) -> date:
    """The first day of a month written like 2026-10; of today's where it is none."""
    try:
        year, month = (int(part) for part in (written or "").split("-"))
        return date(year, month, 1) if 2000 <= year < 2100 else today.replace(day=1)
    except ValueError:
        return today.replace(day=1)


def span(first: date) -> tuple[datetime, datetime]:
    """From when to before when (UTC) the weeks of a month go."""
    begin = first - first.weekday() * DAY
    last = _next_month(first) - DAY
    end = last + (7 - last.weekday()) * DAY
    return _midnight(begin), _midnight(end)


def month(first: date, today: date, editions: Sequence[Edition], slots: Sequence[datetime]) -> Month:
    """The month with its editions (by slot) and the slots to come."""
    begin, end = span(first)
    by_day: dict[date, list[Edition]] = {}
    for edition in editions:
        by_day.setdefault(edition.slot_at.astimezone(UTC).date(), []).append(edition)
    to_come: dict[date, list[datetime]] = {}
    for slot in slots:
        to_come.setdefault(slot.astimezone(UTC).date(), []).append(slot)
    days = [begin.date() + number * DAY for number in range((end - begin).days)]
    cells = [
        CalendarDay(day, day.month == first.month, day == today, by_day.get(day, []), to_come.get(day, []))
        for day in days
    ]
    return Month(first, [cells[place : place + 7] for place in range(0, len(cells), 7)])


def _next_month(first: date) -> date:
    return (first + 31 * DAY).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
