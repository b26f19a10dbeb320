"""The segments with their sizes through time, from what each run counted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

from rapport.web.pages.segments.made import Made, read_made

LIST_DAYS = 31
TREND_DAYS = 92
WEEK = timedelta(days=7)
# Runs of the same hour a week apart differ by minutes.
WEEK_AT_LEAST = timedelta(days=6, hours=12)
FRESH_FOR, LATE_FOR = timedelta(hours=26), timedelta(hours=50)


@dataclass(frozen=True)
class Size:
    """What a run counted; `before` is the size in the run before, None of the first."""

    as_of: datetime
    members: int
    entered: int
    left: int
    before: int | None

    @property
    def is_first(self) -> bool:
        """Whether nobody had counted the segment before."""
        return self.before is None and self.entered == self.members


@dataclass(frozen=True)
class Segment:
    """A segment and the last size of each day, the oldest first; `description` says in words who is in.

    `is_counted` says whether the newest run counted it: one that was removed keeps its last size.
    """

    name: str
    description: str | None
    sizes: Sequence[Size]
    is_counted: bool
    made: Made | None = None

    @property
    def title(self) -> str:
        """at_risk → At risk."""
        text = self.name.replace("_", " ").strip()
        return text[:1].upper() + text[1:]

    @property
    def now(self) -> Size | None:
        return self.sizes[-1] if self.sizes else None

    @property
    def week_ago(self) -> Size | None:
        """The size about a week before the last one; None where there was none yet."""
        if self.now is None:
            return None
        earlier = [size for size in self.sizes if size.as_of <= self.now.as_of - WEEK_AT_LEAST]
        return earlier[-1] if earlier else None

    @property
    def change(self) -> int | None:
        """Since the run before."""
        return None if self.now is None or self.now.before is None else self.now.members - self.now.before

    @property
    def week_change(self) -> int | None:
        """Over seven days."""
        ago = self.week_ago
        return None if self.now is None or ago is None else self.now.members - ago.members

    @property
    def trend(self) -> list[float]:
        return [size.members for size in self.sizes]

    @property
    def trend_in_words(self) -> str:
        """What the small drawing shows, for those who do not see it."""
        if self.now is None:
            return "not counted yet"
        first = self.sizes[0]
        return f"{self.title}: from {first.members:,} on {first.as_of:%d %b} to {self.now.members:,}"

    def freshness(self, now: datetime) -> tuple[str, str]:
        """(word, tone of its tag) by how long ago the last size was counted."""
        if self.made is not None and self.made.held_because is not None:
            return "held", "bad"
        if self.now is None:
            return "not counted yet", ""
        if not self.is_counted:
            return "not in the last run", "bad"
        age = now - self.now.as_of
        if age <= FRESH_FOR:
            return "fresh", "good"
        return ("late", "") if age <= LATE_FOR else ("stale", "bad")


def read_segments(connection: psycopg.Connection) -> list[Segment]:
    """All segments that the newest run counted or that have a view, by name."""
    sizes = _sizes(connection, LIST_DAYS, None)
    known = _Known(_views(connection), read_made(connection))
    newest = max((found[-1].as_of for found in sizes.values()), default=None)
    names = sizes.keys() | known.views.keys() | known.made.keys()
    return [known.segment(name, sizes.get(name, []), newest) for name in sorted(names)]


def read_segment(connection: psycopg.Connection, name: str) -> Segment | None:
    """One segment with a longer trend; None where there never was one of that name."""
    known = _Known(_views(connection), read_made(connection))
    found = _sizes(connection, TREND_DAYS, name).get(name, [])
    if not found and name not in known.views and name not in known.made:
        return None
    row = connection.execute("select max(as_of) from segments.sizes").fetchone()
    return known.segment(name, found, row[0] if row is not None else None)


def customers(connection: psycopg.Connection, segment: str) -> int | None:
    """How many customers there are, as the last run counted them; None before the first."""
    row = connection.execute(
        """
        select sum(customers)::bigint from segments.profiles
        where segment = %s and dimension = 'lifecycle_stage'
        """,
        [segment],
    ).fetchone()
    return row[0] if row is not None else None


class _Known(NamedTuple):
    """What segments are described as, counted or not."""

    views: dict[str, str | None]
    made: dict[str, Made]

    def segment(self, name: str, sizes: Sequence[Size], newest: datetime | None) -> Segment:
        made = self.made.get(name)
        # A description names the thresholds behind its numbers; the definition has these with their values.
        description = made.words if made else re.sub(r" \([a-z]+(_[a-z]+)+\)", "", self.views.get(name) or "")
        return Segment(name, description or None, sizes, bool(sizes) and sizes[-1].as_of == newest, made)


def _sizes(connection: psycopg.Connection, days: int, segment: str | None) -> dict[str, list[Size]]:
    """The last size of each day, for each segment, over so many days up to its last."""
    found: dict[str, list[Size]] = {}
    for name, *size in connection.execute(
        """
        with lasts as (
            select max(as_of) as as_of from segments.sizes
            where segment = %(segment)s or %(segment)s::text is null
        ),

        recent as (
            select
                sizes.*,
                lag(members) over (partition by segment order by sizes.as_of) as before
            from segments.sizes, lasts
            where
                (segment = %(segment)s or %(segment)s::text is null)
                and sizes.as_of > lasts.as_of - make_interval(days => %(days)s)
        )

        select distinct on (segment, date_trunc('day', as_of))
            segment, as_of, members, entered, left_, before
        from recent
        order by segment, date_trunc('day', as_of), as_of desc
        """,
        {"days": days, "segment": segment},
    ):
        found.setdefault(name, []).append(Size(*size))
    return found


def _views(connection: psycopg.Connection) -> dict[str, str | None]:
    """The views of segments with their comments."""
    return dict(
        connection.execute(
            """
            select relname::text, obj_description(oid, 'pg_class')
            from pg_class where relnamespace = 'segments'::regnamespace and relkind = 'v'
            """
        ).fetchall()
    )
