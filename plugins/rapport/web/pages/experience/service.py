"""How questions are answered: days of the help desk added up to periods, and how long things took."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.web.pages.experience.filters import GROUPS, NOT_TOLD, Filter
from rapport.web.periods import Unit


@dataclass(frozen=True)
class Served:
    """A period of the help desk; the backlog is that of its last day. First contacts count where decided."""

    start: date
    opened: int
    solved: int
    reopened: int
    resolved: int
    backlog: int
    over_1_day: int
    over_7_days: int
    over_30_days: int
    one_touch_known: int
    one_touch: int
    first_contact_known: int
    first_contact: int
    reply_promised: int
    reply_in_time: int
    resolution_promised: int
    resolution_in_time: int


_SUMS: LiteralString = """
    coalesce(sum(opened_count), 0)::bigint as opened,
    coalesce(sum(solved_count), 0)::bigint as solved,
    coalesce(sum(reopened_count), 0)::bigint as reopened,
    coalesce(sum(resolved_count), 0)::bigint as resolved,
    coalesce(sum(backlog_count) filter (where is_last), 0)::bigint as backlog,
    coalesce(sum(backlog_over_1_day_count) filter (where is_last), 0)::bigint as over_1_day,
    coalesce(sum(backlog_over_7_days_count) filter (where is_last), 0)::bigint as over_7_days,
    coalesce(sum(backlog_over_30_days_count) filter (where is_last), 0)::bigint as over_30_days,
    coalesce(sum(one_touch_known_count), 0)::bigint as one_touch_known,
    coalesce(sum(one_touch_count), 0)::bigint as one_touch,
    coalesce(sum(first_contact_known_count), 0)::bigint as first_contact_known,
    coalesce(sum(first_contact_resolved_count), 0)::bigint as first_contact,
    coalesce(sum(first_reply_promised_count), 0)::bigint as reply_promised,
    coalesce(sum(first_reply_in_time_count), 0)::bigint as reply_in_time,
    coalesce(sum(resolution_promised_count), 0)::bigint as resolution_promised,
    coalesce(sum(resolution_in_time_count), 0)::bigint as resolution_in_time
"""


def served(
    connection: psycopg.Connection, unit: Unit, first: date, end: date, last_day: date, chosen: Filter
) -> dict[date, Served]:
    """By the first day of each period in [first, end) with tickets; `last_day` is the view's own."""
    query: LiteralString = f"""
        with days as (
            select
                *,
                date_trunc(%(unit)s, service_date::timestamp)::date as start,
                service_date = least(
                    %(last_day)s,
                    (date_trunc(%(unit)s, service_date::timestamp) + %(length)s::interval)::date - 1
                ) as is_last
            from marts.service_daily
            where service_date >= %(first)s and service_date < %(end)s {chosen.conditions}
        )

        select start, {_SUMS} from days
        group by start
    """
    values = {
        "unit": unit,
        "length": f"1 {unit}",
        "first": first,
        "end": end,
        "last_day": last_day,
        **chosen.values,
    }
    with connection.cursor(row_factory=class_row(Served)) as cursor:
        return {row.start: row for row in cursor.execute(query, values)}


def served_by(
    connection: psycopg.Connection, name: LiteralString, first: date, end: date, chosen: Filter
) -> list[tuple[str | None, Served]]:
    """The same of one period [first, end), by channel, category or team; those with most tickets first."""
    assert name in GROUPS
    query: LiteralString = f"""
        with days as (
            select *, {name} as own, service_date = %(end)s::date - 1 as is_last
            from marts.service_daily
            where service_date >= %(first)s and service_date < %(end)s {chosen.conditions}
        )

        select own, %(first)s::date as start, {_SUMS} from days
        group by own
        order by opened desc, own
    """
    rows = connection.execute(query, {"first": first, "end": end, **chosen.values}).fetchall()
    return [(row[0], Served(*row[1:])) for row in rows]


@dataclass(frozen=True)
class Times:
    """How long it took, in minutes; None where nothing is known."""

    start: date
    replies: int
    reply: Decimal | None
    reply_slowest: Decimal | None
    business_reply: Decimal | None
    business_reply_slowest: Decimal | None
    resolutions: int
    resolution: Decimal | None
    resolution_slowest: Decimal | None
    business_resolution: Decimal | None
    business_resolution_slowest: Decimal | None


def times(
    connection: psycopg.Connection, unit: Unit, first: date, end: date, chosen: Filter
) -> dict[date, Times]:
    """By the first day of each week or month in [first, end) with replies or resolutions."""
    with connection.cursor(row_factory=class_row(Times)) as cursor:
        rows = cursor.execute(
            """
            select
                period_start as start,
                first_reply_minutes_count as replies,
                median_first_reply_minutes as reply,
                slowest_tenth_first_reply_minutes as reply_slowest,
                median_first_reply_business_minutes as business_reply,
                slowest_tenth_first_reply_business_minutes as business_reply_slowest,
                resolution_minutes_count as resolutions,
                median_resolution_minutes as resolution,
                slowest_tenth_resolution_minutes as resolution_slowest,
                median_resolution_business_minutes as business_resolution,
                slowest_tenth_resolution_business_minutes as business_resolution_slowest
            from marts.service_times
            where
                period = %(unit)s and period_start >= %(first)s and period_start < %(end)s
                and is_any_channel = %(any_channel)s and channel is not distinct from %(channel)s
                and is_any_category = %(any_category)s and category is not distinct from %(category)s
                and is_any_team = %(any_team)s and team is not distinct from %(team)s
            """,
            {"unit": unit, "first": first, "end": end, **chosen.is_any, **_own(chosen)},
        )
        return {row.start: row for row in rows}


def _own(chosen: Filter) -> dict[str, str | None]:
    """The values of a row of marts.service_times; null stands for all and for not told."""
    values = {name: chosen.chosen.get(name) for name in GROUPS}
    return {name: None if value == NOT_TOLD else value for name, value in values.items()}
