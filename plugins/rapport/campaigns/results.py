"""What a campaign did and what it changed, as the last run counted it; for the command line and the pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import psycopg
from psycopg.rows import dict_row

from rapport.campaigns.effects import Arm, Comparison, Effect, comparisons, effect
from rapport.errors import InputError

ALL_CAMPAIGNS = "*"


@dataclass(frozen=True)
class Funnel:
    """Messages by what became of them. `sent` are those that a provider accepted.

    `converted` and `net_revenue` are of everybody who got the mail, also of what they would have done anyway.
    """

    planned: int
    sent: int
    delivered: int
    clicked: int
    unsubscribed: int
    complained: int
    bounced: int
    skipped: int
    converted: int
    net_revenue: Decimal | None


@dataclass(frozen=True)
class Period:
    """A measured stretch of a campaign; nobody is in two of them.

    `effect` is None without a holdout. `left_out` counts customers with two arms. Until the period `is_over`
    its figures still grow.
    """

    number: int
    starts_at: datetime
    closes_at: datetime
    ends_at: datetime
    is_over: bool
    treatment: Arm | None
    effect: Effect | None
    variants: dict[str, Arm]
    comparisons: list[Comparison]
    left_out: int
    in_two_variants: int


@dataclass(frozen=True)
class EditionEffect:
    """What one edition, by its number, changed."""

    step: str | None
    number: int
    slot_at: datetime
    effect: Effect


@dataclass(frozen=True)
class LastTouch:
    """Orders that came through the campaign's mails by the last click before them. Not incremental."""

    orders: int
    net_revenue: Decimal | None


@dataclass(frozen=True)
class CampaignResults:
    """Everything is as of `measured_at`, amounts are in `currency`; None while nobody is measured."""

    campaign: str
    measured_at: datetime | None
    currency: str | None
    funnel: Funnel | None
    periods: list[Period]
    editions: list[EditionEffect]
    last_touch: LastTouch | None


_FUNNEL = """
select
    sum(planned_count)::bigint as planned,
    sum(accepted_count)::bigint as sent,
    sum(delivered_count)::bigint as delivered,
    sum(clicked_count)::bigint as clicked,
    sum(unsubscribed_count)::bigint as unsubscribed,
    sum(complained_count)::bigint as complained,
    sum(bounced_count)::bigint as bounced,
    sum(skipped_count)::bigint as skipped,
    sum(converted_count)::bigint as converted,
    case when not bool_or(has_unconverted_revenue) then sum(net_revenue) end as net_revenue
from marts.campaign_performance
where campaign = %(campaign)s or %(campaign)s = '*'
having count(*) > 0
"""

_LAST_TOUCH = """
select
    sum(order_count)::bigint as orders,
    case when not bool_or(has_unconverted_revenue) then sum(net_revenue) end as net_revenue
from activation.last_touch_revenue
where campaign = %(campaign)s or %(campaign)s = '*'
having count(*) > 0
"""

_LIFT = """
select * from marts.campaign_lift
where campaign = %(campaign)s
order by period_number, variant nulls first, arm
"""

_LIFT_BY_EDITION = """
select * from marts.campaign_lift_by_edition
where campaign = %(campaign)s
order by step nulls first, edition_number, arm
"""


def results(connection: psycopg.Connection, campaign: str, now: datetime) -> CampaignResults:
    """The results of a campaign, or of all together (`*`: against the holdout of all).

    What a run has not seen yet is not in them: an interval is given once `now` and the last run's time are
    both past the end of the last return period.

    Raises:
        InputError: no run has counted this campaign yet.
    """
    built = connection.execute("select to_regclass('marts.campaign_lift') is not null").fetchone()
    if built is None or not built[0]:
        raise InputError("there are no results yet; `rapport run` counts them")
    with connection.cursor(row_factory=dict_row) as cursor:
        named = {"campaign": campaign}
        funnel = cursor.execute(_FUNNEL, named).fetchone()
        last_touch = cursor.execute(_LAST_TOUCH, named).fetchone()
        arms = cursor.execute(_LIFT, named).fetchall()
        by_edition = cursor.execute(_LIFT_BY_EDITION, named).fetchall()
    if funnel is None and not arms:
        raise InputError(
            f"no run has counted a campaign {campaign!r} yet. What is planned in a run, the next one counts; "
            "`rapport campaign status` lists the editions"
        )
    measured_at = arms[0]["measured_at"] if arms else None
    known_until = min(now, measured_at) if measured_at else now
    return CampaignResults(
        campaign=campaign,
        measured_at=measured_at,
        currency=arms[0]["currency"] if arms else None,
        funnel=Funnel(**funnel) if funnel else None,
        periods=[
            _period(list(rows), known_until)
            for _, rows in groupby(arms, key=lambda row: row["period_number"])
        ],
        editions=list(_editions(by_edition, known_until)),
        last_touch=LastTouch(**last_touch) if last_touch else None,
    )


def _period(rows: list[dict[str, Any]], known_until: datetime) -> Period:
    first = rows[0]
    whole = {row["arm"]: _arm(row) for row in rows if row["variant"] is None}
    variants = {row["variant"]: _arm(row) for row in rows if row["variant"] is not None}
    times = {"ends_at": first["settles_at"], "known_until": known_until}
    treatment, holdout = whole.get("treatment"), whole.get("holdout")
    return Period(
        number=first["period_number"],
        starts_at=first["starts_at"],
        closes_at=first["closes_at"],
        ends_at=first["settles_at"],
        is_over=known_until >= first["settles_at"],
        treatment=treatment,
        effect=effect(treatment, holdout, **times, revenue_cap=first["revenue_cap"])
        if treatment and holdout
        else None,
        variants=variants,
        comparisons=comparisons(variants, **times) if len(variants) > 1 else [],
        left_out=first["left_out_count"],
        in_two_variants=first["two_variants_count"],
    )


def _arm(row: dict[str, Any]) -> Arm:
    return Arm(
        customers=row["customer_count"],
        converted=row["converted_count"],
        buyers=row["buyer_count"],
        unconverted=row["unconverted_count"],
        net_revenue=row["net_revenue"],
        mean_revenue=row["mean_capped_revenue"],
        revenue_variance=row["capped_revenue_variance"],
    )


def _editions(rows: list[dict[str, Any]], known_until: datetime) -> Iterable[EditionEffect]:
    for (step, number), both in groupby(rows, key=lambda row: (row["step"], row["edition_number"])):
        arms = {row["arm"]: row for row in both}
        if len(arms) < 2:
            continue
        one, other = (
            Arm(arms[name]["customer_count"], arms[name]["converted_count"])
            for name in ("treatment", "holdout")
        )
        ends_at = max(row["settles_at"] for row in arms.values())
        judged = effect(one, other, ends_at=ends_at, known_until=known_until)
        yield EditionEffect(step, number, arms["treatment"]["slot_at"], judged)
