"""When each mail is due: moved into the recipient's window by their own clock, and at most so many a day."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns.campaign import Campaign

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Once for each zone, not for each person: the way through the changes of the clocks is long.
_DUE = """
    select
        moments.base_at,
        moments.zone,
        activation.next_allowed(
            moments.base_at,
            coalesce(known.name, %(fallback_time_zone)s), %(opens)s, %(closes)s, %(days)s::int[]
        ) as due_at
    from (select distinct base_at, zone from meant) as moments
    left join unnest(%(zones)s::text[]) as known (name) on moments.zone = known.name
"""

_AT_ONCE = "select distinct base_at, zone, base_at as due_at from meant"


def known_zones(connection: psycopg.Connection) -> list[str]:
    """The time zones that the server knows; to ask takes it a tenth of a second."""
    return [name for (name,) in connection.execute("select name from pg_timezone_names")]


def zone_sql(campaign: Campaign) -> sql.Composable:
    """The time zone of the row `customers` as far as it matters to the campaign; '' where it is unknown."""
    return sql.SQL("''" if campaign.window is None else "coalesce(customers.time_zone, '')")


def due_sql(campaign: Campaign) -> sql.Composable:
    """A query of (base_at, zone, due_at) for each pair of base_at and zone that `meant` has.

    It needs the parameter `zones`, of `known_zones`, where there is a window.
    """
    return sql.SQL(_AT_ONCE if campaign.window is None else _DUE)


def parameters(campaign: Campaign) -> dict[str, Any]:
    """The window, for the placeholders of the statements."""
    window = campaign.window
    if window is None:
        return {}
    return {
        "opens": window.opens,
        "closes": window.closes,
        "days": [_WEEKDAYS.index(day) + 1 for day in window.days],
        "fallback_time_zone": window.fallback_time_zone,
    }


def spread_over_days(connection: psycopg.Connection, edition: "EditionPlan", values: dict[str, Any]) -> None:
    """Let what is over the day's maximum wait for the next day, first come, first served; days are of UTC.

    Who waits is due so many days later at the same time, or when their hours begin.
    """
    per_day = edition.campaign.limits.per_day
    arrivals: dict[date, int] = dict(
        connection.execute(
            "select due_at::date, count(*) from plan where state = 'planned' group by 1"
        ).fetchall()
    )
    if per_day is None or not arrivals:
        return
    messages, editions = (edition.tables.named()[name] for name in ("messages", "editions"))
    used: dict[date, int] = dict(
        connection.execute(
            sql.SQL(_USED).format(messages=messages, editions=editions), values | {"day": min(arrivals)}
        ).fetchall()
    )
    days: Sequence[str] = edition.campaign.window.days if edition.campaign.window else _WEEKDAYS
    served = _served(arrivals, used, per_day, [_WEEKDAYS.index(day) for day in days])
    connection.execute(
        sql.SQL(_SPREAD).format(
            later=sql.SQL(_LATER if edition.campaign.window else "{waited}").format(waited=_WAITED),
            customers=edition.tables.named()["customers"],
        ),
        values
        | {
            "days_served": list(served),
            "first_places": [0, *accumulate(served.values())][:-1],
        },
    )


def _served(
    arrivals: dict[date, int], used: dict[date, int], per_day: int, weekdays: Sequence[int]
) -> dict[date, int]:
    """How many leave on each day; a day on which nobody's window is open is passed over."""
    served: dict[date, int] = {}
    day, waiting, left = min(arrivals), 0, sum(arrivals.values())
    while left:
        waiting += arrivals.get(day, 0)
        if day in arrivals or day.weekday() in weekdays:
            count = min(waiting, max(0, per_day - used.get(day, 0)))
            if count:
                served[day] = count
            waiting -= count
            left -= count
        day += timedelta(days=1)
    return served


_USED = """
select messages.due_at::date, count(*)
from {editions} as editions
inner join {messages} as messages on editions.edition_id = messages.edition_id
where
    editions.campaign = %(campaign)s
    and editions.edition_id <> %(edition)s
    and messages.state in ('planned', 'sending', 'uncertain', 'unknown', 'accepted')
    and messages.due_at >= %(day)s
group by 1
"""

_WAITED = sql.SQL("placed.due_at + (placed.day - placed.due_at::date) * interval '24 hours'")

_LATER = """
activation.next_allowed(
    {waited},
    case when customers.time_zone = any(%(zones)s) then customers.time_zone else %(fallback_time_zone)s end,
    %(opens)s, %(closes)s, %(days)s::int[]
)
"""

_SPREAD = """
with numbered as (
    select
        message_id,
        customer_id,
        due_at,
        row_number() over (order by due_at, md5(message_id::text)) - 1 as place
    from plan
    where state = 'planned'
),

placed as (
    select
        message_id,
        customer_id,
        due_at,
        (%(days_served)s::date[])[width_bucket(place, %(first_places)s::bigint[])] as day
    from numbered
),

later as (
    select placed.message_id, {later} as due_at
    from placed
    left join {customers} as customers on placed.customer_id = customers.customer_id
    where placed.day > placed.due_at::date
)

update plan
set due_at = later.due_at, expires_at = later.due_at + %(expires_after)s::interval
from later
where plan.message_id = later.message_id
"""
