"""What a plan found out: counts by reason, the difference from the last edition, the effect it could show."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from rapport.campaigns.edition_plan import EditionPlan
from rapport.campaigns.lift import detectable_effect
from rapport.campaigns.matching import last_done
from rapport.campaigns.rechecks import in_service_hold

# So many people of a plan tell how many of them reach the goal on their own.
BASE_RATE_SAMPLE = 20_000
DEFAULT_GOAL = ("order", timedelta(days=14))


@dataclass(frozen=True)
class Difference:
    """Against the last edition: how many it planned, how many recipients are new, how many are gone."""

    edition_id: str
    planned: int
    entered: int
    left: int


@dataclass(frozen=True)
class Detectable:
    """Which effect this size could show at 80 % power.

    Args:
        base_rate: the share of these people who did what the goal asks in a window of its length before.
        relative: 0.2 means a rise by a fifth; None where no rise could be shown.
    """

    goal: str
    days: float
    treatment: int
    holdout: int
    base_rate: float | None
    relative: float | None


@dataclass(frozen=True)
class Findings:
    """What a plan found out.

    Args:
        counts: by reason, those who get nothing.
        waiting_for_service: how many of the planned wait now by the campaign's service_hold.
        detectable: None without a holdout.
        checks: what `rapport delivery doctor` found last.
    """

    considered: int
    planned: int
    holdout: int
    counts: dict[str, int]
    waiting_for_service: int
    difference: Difference | None
    detectable: Detectable | None
    checks: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """For `editions.plan`."""
        return asdict(self)


def of_plan(connection: psycopg.Connection, edition: EditionPlan, considered: int) -> Findings:
    """What the table `plan` says."""
    counts: dict[str, int] = dict(
        connection.execute(
            "select coalesce(state_reason, ''), count(*) from plan group by 1 order by 1"
        ).fetchall()
    )
    planned, holdout = counts.pop("", 0), counts.get("holdout", 0)
    return Findings(
        considered=considered,
        planned=planned,
        holdout=holdout,
        counts=counts,
        waiting_for_service=_waiting(connection, edition),
        difference=_difference(connection, edition),
        detectable=_detectable(connection, edition, planned, holdout) if holdout else None,
        checks=_last_checks(connection),
    )


def _difference(connection: psycopg.Connection, edition: EditionPlan) -> Difference | None:
    row = connection.execute(
        sql.SQL(
            """
            with last as (
                select edition_id from {editions} as editions
                where
                    campaign = %(campaign)s
                    and step is not distinct from %(step)s
                    and slot_at < %(slot_at)s
                    and state <> 'cancelled'
                order by slot_at desc, edition_id desc
                limit 1
            ),

            before as (
                select recipient_key from {messages} as messages
                where
                    edition_id = (select edition_id from last)
                    and recipient_key is not null
                    and state not in ('skipped', 'cancelled')
            ),

            now_planned as (select recipient_key from plan where state = 'planned')

            select
                (select edition_id from last),
                (select count(*) from before),
                (
                    select count(*) from now_planned where not exists (
                        select from before where before.recipient_key = now_planned.recipient_key
                    )
                ),
                (
                    select count(*) from before where not exists (
                        select from now_planned where before.recipient_key = now_planned.recipient_key
                    )
                )
            """
        ).format(**edition.tables.named()),
        {"campaign": edition.campaign.name, "step": edition.mailing.step, "slot_at": edition.slot_at},
    ).fetchone()
    return Difference(*row) if row and row[0] else None


def _detectable(
    connection: psycopg.Connection, edition: EditionPlan, planned: int, holdout: int
) -> Detectable:
    goal = edition.campaign.goal
    event, within = (goal.event, goal.within) if goal else DEFAULT_GOAL
    row = connection.execute(
        sql.SQL(
            """
            select avg(
                coalesce({last_done} between %(slot_at)s - %(within)s::interval and %(slot_at)s, false)::int
            )::double precision
            from (
                select customer_id from plan
                where state = 'planned' or state_reason = 'holdout'
                limit %(sample)s
            ) as people
            inner join {customers} as customers using (customer_id)
            """
        ).format(last_done=last_done(event), **edition.tables.named()),
        {"slot_at": edition.slot_at, "within": within, "sample": BASE_RATE_SAMPLE},
    ).fetchone()
    base_rate = row[0] if row else None
    relative = None if base_rate is None else detectable_effect(planned, holdout, base_rate)
    return Detectable(event, within / timedelta(days=1), planned, holdout, base_rate, relative)


def _waiting(connection: psycopg.Connection, edition: EditionPlan) -> int:
    query = in_service_hold(edition.campaign, edition.delivery.service_trouble, edition.slot_at)
    if query is None:
        return 0
    batch = "with batch as (select * from plan where state = 'planned') select count(*) from ({}) as waiting"
    row = connection.execute(sql.SQL(batch).format(query[0]), query[1]).fetchone()
    return int(row[0]) if row else 0


def _last_checks(connection: psycopg.Connection) -> list[dict[str, Any]]:
    return [
        {"name": name, "is_ok": is_ok, "checked_at": checked_at.isoformat(), "detail": detail}
        for name, is_ok, checked_at, detail in connection.execute(
            "select name, is_ok, checked_at, detail from activation.doctor_checks order by name"
        )
    ]
