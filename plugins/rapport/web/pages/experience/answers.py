"""What customers say: days of answers added up to periods, and pain points."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.campaigns.lift import Interval
from rapport.web.pages.experience.filters import Filter
from rapport.web.pages.experience.intervals import nps_interval, share_interval
from rapport.web.periods import Unit

METRICS: Mapping[str, str] = {
    "nps": "Net Promoter Score",
    "csat": "Satisfied (CSAT)",
    "ces": "Found it easy (CES)",
}
UNITS: Mapping[str, str] = {"nps": "", "csat": "%", "ces": "%"}


@dataclass(frozen=True)
class Said:
    """The answers of a period to one metric."""

    start: date
    metric: str
    answers: int
    promoters: int
    detractors: int
    satisfied: int

    @property
    def score(self) -> Interval:
        """NPS in points, of the others the satisfied in percent."""
        if self.metric == "nps":
            return nps_interval(self.promoters, self.detractors, self.answers)
        return share_interval(self.satisfied, self.answers)


_COUNTED_BY_DAY: LiteralString = """
select
    date_trunc(%(unit)s, answer_date::timestamp)::date as start,
    metric,
    sum(answer_count)::bigint as answers,
    sum(promoter_count)::bigint as promoters,
    sum(detractor_count)::bigint as detractors,
    sum(satisfied_count)::bigint as satisfied
from marts.experience_daily
where answer_date >= %(first)s and answer_date < %(end)s
"""

# Who is in a segment is known once the marts are built: its answers are counted when somebody asks.
_COUNTED_NOW: LiteralString = """
select
    date_trunc(%(unit)s, answered_at at time zone 'UTC')::date as start,
    metric,
    count(*) as answers,
    count(*) filter (where metric = 'nps' and opinion = 'good') as promoters,
    count(*) filter (where metric = 'nps' and opinion = 'bad') as detractors,
    count(*) filter (where metric <> 'nps' and opinion = 'good') as satisfied
from marts.answers
where
    answered_at >= %(first)s::timestamp at time zone 'UTC'
    and answered_at < %(end)s::timestamp at time zone 'UTC'
"""


def said(
    connection: psycopg.Connection, unit: Unit, first: date, end: date, chosen: Filter
) -> dict[tuple[str, date], Said]:
    """By metric and first day of each period in [first, end) that has answers."""
    counted: LiteralString = _COUNTED_NOW if chosen.segment else _COUNTED_BY_DAY
    query: LiteralString = f"{counted} {chosen.conditions} group by 1, 2"
    values = {"unit": unit, "first": first, "end": end, **chosen.values}
    with connection.cursor(row_factory=class_row(Said)) as cursor:
        return {(row.metric, row.start): row for row in cursor.execute(query, values)}


@dataclass(frozen=True)
class PainPoint:
    """What customers complained about, and what that went along with. None = a rate is missing."""

    rank: int
    kind: str
    topic: str | None
    complaints: int
    customers: int
    detractors: int
    followed: int
    silent: int
    returned: Decimal | None
    lost: Decimal | None
    cost: Decimal | None
    reporting_currency: str
    counted_from: datetime


def pain_points(connection: psycopg.Connection, limit: int) -> list[PainPoint]:
    """The costliest first."""
    with connection.cursor(row_factory=class_row(PainPoint)) as cursor:
        return cursor.execute(
            """
            select
                pain_rank as rank, kind, topic, complaint_count as complaints, customer_count as customers,
                detractor_count as detractors, followed_count as followed, silent_count as silent,
                returned_amount as returned, lost_amount as lost, cost_amount as cost, reporting_currency,
                counted_from
            from marts.pain_points
            order by pain_rank, kind, topic
            limit %s
            """,
            [limit],
        ).fetchall()
