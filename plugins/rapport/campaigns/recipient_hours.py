"""When each mail is due: moved into the recipient's window by their own clock, and at most so many a day."""

from datetime import timedelta
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
    """Move what is over the day's maximum to the next day, and so on; days are those of UTC.

    Whoever is moved stays within their hours: the window is looked for again from a day later on.
    """
    later = (
        sql.SQL(_LATER).format(customers=edition.tables.named()["customers"])
        if edition.campaign.window
        else sql.SQL("plan.due_at + interval '24 hours'")
    )
    first = connection.execute("select min(due_at)::date from plan where state = 'planned'").fetchone()
    day = first[0] if first else None
    while day is not None:
        connection.execute(
            sql.SQL(_NEXT_DAY).format(later=later, messages=edition.tables.named()["messages"]),
            values
            | {"per_day": edition.campaign.limits.per_day, "day": day, "next_day": day + timedelta(days=1)},
        )
        following = connection.execute(
            "select min(due_at)::date from plan where state = 'planned' and due_at >= %s",
            [day + timedelta(days=1)],
        ).fetchone()
        day = following[0] if following else None


_LATER = """
activation.next_allowed(
    plan.due_at + interval '24 hours',
    coalesce(
        (
            select customers.time_zone from {customers} as customers
            where
                customers.customer_id = plan.customer_id
                and customers.time_zone = any(%(zones)s)
        ),
        %(fallback_time_zone)s
    ),
    %(opens)s, %(closes)s, %(days)s::int[]
)
"""

_NEXT_DAY = """
with over as (
    select message_id
    from plan
    where state = 'planned' and due_at >= %(day)s and due_at < %(next_day)s
    order by due_at, message_id
    offset greatest(0, %(per_day)s - (
        select count(*) from {messages} as messages
        where
            messages.campaign = %(campaign)s
            and messages.edition_id <> %(edition)s
            and messages.state in ('planned', 'sending', 'uncertain', 'unknown', 'accepted')
            and messages.due_at >= %(day)s
            and messages.due_at < %(next_day)s
    ))
),

later as (
    select plan.message_id, {later} as due_at
    from plan
    inner join over on plan.message_id = over.message_id
)

update plan
set due_at = later.due_at, expires_at = later.due_at + %(expires_after)s::interval
from later
where plan.message_id = later.message_id
"""
