"""What is asked again when a message is claimed: is it still meant for them, is it their hour, must it wait.

Each function gives a query over the relation `batch` (message_id, customer_id: today's id, recipient_key,
entered_at, slot_at) and its parameters. The claim writes `batch` before it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import sql

from rapport.campaigns import recipient_hours
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.matching import reason_not_meant
from rapport.delivery.configuration import ServiceTrouble

Query = tuple[sql.Composed, dict[str, Any]]

_NOT_MEANT = """
select subject.message_id, {reason} as reason
from (
    select *, {since} as since, %(edition)s::text as edition_id from batch
) as subject
left join marts.customers as customers on subject.customer_id = customers.customer_id
"""

_LEFT = """
select batch.message_id, 'no_longer_matches' as reason
from batch
where
    exists (
        select from segments.members
        where members.customer_id = batch.customer_id and members.segment = any(%(excluded)s)
    )
    or (
        cardinality(%(included)s::text[]) > 0 and not exists (
            select from segments.members
            where members.customer_id = batch.customer_id and members.segment = any(%(included)s)
        )
    )
    or (
        %(entered)s::text is not null and not exists (
            select from segments.members
            where members.customer_id = batch.customer_id and members.segment = %(entered)s
        )
    )
"""

_OUT_OF_HOURS = """
with located as (
    select batch.message_id, coalesce(known.name, %(fallback_time_zone)s) as zone
    from batch
    left join marts.customers as customers on batch.customer_id = customers.customer_id
    left join unnest(%(zones)s::text[]) as known (name) on customers.time_zone = known.name
),

-- Once for each zone, not for each person: the way through the changes of the clocks is long.
allowed as materialized (
    select
        zone,
        activation.next_allowed(%(moment)s, zone, %(opens)s, %(closes)s, %(days)s::int[]) as allowed_at
    from (select distinct zone from located) as zones
)

select located.message_id, allowed.allowed_at
from located
inner join allowed using (zone)
where allowed.allowed_at > %(moment)s
"""

_IN_TROUBLE = """
select batch.message_id
from batch
where
    (
        exists (
            select from marts.tickets
            where
                tickets.customer_id = batch.customer_id
                and (
                    tickets.is_open
                    or (not tickets.is_first_reply_in_time and tickets.opened_at > {since})
                    or (tickets.csat_score <= %(csat_at_most)s and tickets.rated_at > {since})
                )
        )
        or exists (
            select from marts.survey_responses
            where
                survey_responses.customer_id = batch.customer_id
                and survey_responses.responded_at > {since}
                and (
                    (survey_responses.metric = 'csat' and survey_responses.score <= %(csat_at_most)s)
                    or (survey_responses.metric = 'nps' and survey_responses.score <= %(nps_at_most)s)
                )
        )
    )
    and not exists (
        select from activation.messages as recovery
        where
            recovery.campaign = %(recovery)s
            and recovery.accepted_at > {since}
            and (
                recovery.recipient_key = batch.recipient_key
                or recovery.customer_id = batch.customer_id
            )
    )
"""


def no_longer_meant(
    campaign: Campaign, step: str | None, edition_id: str, columns: Mapping[str, str], moment: datetime
) -> Query:
    """(message_id, reason) of those to skip now: left the segment, a condition, a purchase, the goal reached.

    The later mails of a journey do not ask whether somebody is still in the segment that they entered; the
    segments that `audience` names itself hold to the end.

    Args:
        columns: of `conditions.customer_columns`.
    """
    reason, values = reason_not_meant(campaign, columns)
    is_later = step is not None and step != campaign.journey[0].name
    since = "entered_at" if campaign.trigger.entering else "slot_at"
    query = sql.SQL(
        "select message_id, min(reason) as reason from (({}) union all ({})) as reasons "
        "where reason is not null group by message_id"
    ).format(sql.SQL(_LEFT), sql.SQL(_NOT_MEANT).format(reason=reason, since=sql.SQL(since)))
    return query, values | {
        "moment": moment,
        "edition": edition_id,
        "excluded": campaign.audience.exclude,
        "included": campaign.audience.include if is_later else campaign.segments_included,
        "entered": None if is_later else campaign.trigger.entering,
    }


def out_of_hours(campaign: Campaign, moment: datetime, zones: Sequence[str]) -> Query | None:
    """(message_id, allowed_at) of those whose clock is outside the window now; they wait until then.

    None: there is no window.

    Args:
        zones: of `recipient_hours.known_zones`.
    """
    if campaign.window is None:
        return None
    values = {"moment": moment, "zones": list(zones), **recipient_hours.parameters(campaign)}
    return sql.SQL(_OUT_OF_HOURS).format(), values


def in_service_hold(campaign: Campaign, trouble: ServiceTrouble, moment: datetime) -> Query | None:
    """(message_id) of those who wait, by the campaign's service_hold rule. None: the rule holds nobody.

    Trouble is an open ticket, or a missed reply target or a bad rating of the last days. With the rule
    `recovery` it is over once the recovery campaign's mail was accepted.
    """
    hold = campaign.service_hold
    if hold.rule == "none":
        return None
    since = sql.SQL("%(moment)s::timestamptz - %(trouble_for)s::interval")
    return sql.SQL(_IN_TROUBLE).format(since=since), {
        "moment": moment,
        "trouble_for": trouble.lasts,
        "csat_at_most": trouble.csat_at_most,
        "nps_at_most": trouble.nps_at_most,
        "recovery": hold.campaign,
    }
