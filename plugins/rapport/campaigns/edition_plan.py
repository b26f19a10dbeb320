"""The temporary table `plan`: everybody an edition considers, with what they get and when, or why not.

Four tables in turn, so that the server knows their sizes: who is considered, for whom it is meant, at which
address, what becomes of them. Nothing but temporary tables is written; who plans for real copies `plan` into
activation.messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from rapport.campaigns import arms, candidates, recipient_hours
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.journeys import Mailing
from rapport.campaigns.matching import reason_not_meant
from rapport.campaigns.tables import NOW, Tables
from rapport.delivery.configuration import Delivery, Topic

LIVE = "('planned', 'sending', 'uncertain', 'unknown', 'accepted')"


@dataclass(frozen=True)
class EditionPlan:
    """What is planned: a campaign's mailing at a slot. `columns` are those of marts.customers, with types."""

    campaign: Campaign
    mailing: Mailing
    edition_id: str
    slot_at: datetime
    delivery: Delivery
    columns: Mapping[str, str]
    tables: Tables = NOW

    def parameters(self) -> dict[str, Any]:
        """Values for the placeholders of the statements of planning."""
        campaign, window = self.campaign, self.campaign.window
        cap = self.delivery.caps[campaign.cap]
        return {
            "campaign": campaign.name,
            "edition": self.edition_id,
            "step": self.mailing.step,
            "previous": self.mailing.previous,
            "wait": self.mailing.wait,
            "slot_at": self.slot_at,
            "moment": self.slot_at,
            "include": campaign.segments_included,
            "own_include": campaign.audience.include,
            "exclude": campaign.audience.exclude,
            "entering": campaign.trigger.entering,
            "expires_after": campaign.expires_after,
            "topic": campaign.topic,
            "double_opt_in": self.delivery.topics.get(campaign.topic, Topic()).double_opt_in,
            "re_entry": campaign.re_entry,
            "cap": campaign.cap,
            "cap_messages": cap.messages,
            "cap_per": cap.per,
            "sunset": self.delivery.sunset_after,
            "fallback_time_zone": window.fallback_time_zone if window else None,
            **arms.parameters(campaign, self.delivery),
        }


_MEANT = """
insert into meant
select
    subject.customer_id,
    subject.entered_at,
    subject.base_at,
    {zone},
    customers.email,
    {last_active_at},
    case when subject.is_late then 'too_late' else {not_meant} end
from (select *, {since} as since, %(edition)s::text as edition_id from candidates) as subject
left join {customers} as customers on subject.customer_id = customers.customer_id
"""

# Joined by address and topic wherever it is asked: a few candidates look theirs up, a million are hashed.
_CONSENT = """
    {email} = consents.email
    and consents.channel = 'email'
    and consents.topic = %(topic)s
    and consents.is_granted
    and (not %(double_opt_in)s or consents.confirmed_at is not null)
    and (consents.expires_at > %(slot_at)s) is not false
"""

_ADDRESSED = (
    """
insert into addressed
with own_addresses as (
    select meant.*, consents.email as consenting, consents.confirmed_at, consents.granted_at
    from meant
    left join {consents} as consents on """
    + _CONSENT.replace("{email}", "meant.email")
    + """
),

-- Consent belongs to an address: it is the first of the customer's own that holds it, never another's.
other_addresses as (
    select distinct on (own_addresses.customer_id)
        own_addresses.customer_id, consents.email as consenting, consents.confirmed_at, consents.granted_at
    from own_addresses
    inner join identity.identifiers
        on own_addresses.customer_id = identifiers.customer_id and identifiers.kind = 'email'
    inner join {consents} as consents on """
    + _CONSENT.replace("{email}", "identifiers.value")
    + """
    where own_addresses.consenting is null
    order by own_addresses.customer_id, identifiers.last_seen_at desc, identifiers.value
),

due as materialized ({due})

select
    own_addresses.customer_id,
    own_addresses.entered_at,
    recipients.recipient_key,
    coalesce(own_addresses.consenting, other_addresses.consenting) is not null,
    coalesce(own_addresses.confirmed_at, other_addresses.confirmed_at),
    due.due_at,
    greatest(own_addresses.last_active_at, own_addresses.granted_at, other_addresses.granted_at),
    own_addresses.reason
from own_addresses
inner join due on own_addresses.base_at = due.base_at and own_addresses.zone = due.zone
left join other_addresses on own_addresses.customer_id = other_addresses.customer_id
left join {recipients} as recipients
    on coalesce(own_addresses.consenting, other_addresses.consenting, own_addresses.email) = recipients.email
"""
)

_PLAN = """
insert into plan
with suppressed as (
    select addressed.customer_id, max(suppressions.suppressed_at) as suppressed_at
    from addressed
    inner join {suppressions} as suppressions on addressed.recipient_key = suppressions.recipient_key
    where suppressions.topic in (%(topic)s, 'all')
    group by addressed.customer_id
),

recent as (
    -- What was sent or will be to a recipient, on both sides of this edition: a run may go back in time.
    select addressed.customer_id, count(*) as messages
    from addressed
    inner join {messages} as messages on addressed.recipient_key = messages.recipient_key
    inner join {editions} as editions on messages.edition_id = editions.edition_id
    where
        messages.state in {live}
        -- What no window of this edition reaches is left out before it is joined.
        and messages.due_at > (select min(due_at) from addressed) - %(cap_per)s::interval
        and messages.due_at < (select max(due_at) from addressed) + %(cap_per)s::interval
        and messages.due_at > addressed.due_at - %(cap_per)s::interval
        and messages.due_at < addressed.due_at + %(cap_per)s::interval
        and messages.edition_id <> %(edition)s
        and editions.cap = %(cap)s
    group by addressed.customer_id
),

got_it as not materialized (
    -- Who was held out counts like who got it, else the two arms would drift apart.
    select messages.recipient_key, messages.customer_id, messages.due_at
    from {messages} as messages
    inner join {editions} as editions on messages.edition_id = editions.edition_id
    where
        messages.campaign = %(campaign)s
        and editions.campaign = %(campaign)s
        and messages.edition_id <> %(edition)s
        and (%(previous)s::text is null or editions.step = %(step)s)
        and (
            messages.state in {live}
            or (messages.state = 'skipped' and messages.state_reason = 'holdout')
        )
),

ids_of_people as (
    select customer_id, customer_id as own_id from addressed
    union all
    select merges.old_customer_id, addressed.customer_id
    from addressed
    inner join identity.merges using (customer_id)
),

had_it as (
    select addressed.customer_id
    from addressed
    inner join got_it using (recipient_key)
    where %(re_entry)s::interval is null or got_it.due_at > addressed.due_at - %(re_entry)s::interval
    union
    select ids_of_people.own_id
    from ids_of_people
    inner join got_it using (customer_id)
    inner join addressed on ids_of_people.own_id = addressed.customer_id
    where %(re_entry)s::interval is null or got_it.due_at > addressed.due_at - %(re_entry)s::interval
),

in_edition as (
    select recipient_key from {messages} where edition_id = %(edition)s and recipient_key is not null
),

told as (
    select
        addressed.*,
        suppressed.suppressed_at is not null
        and not coalesce(addressed.confirmed_at > suppressed.suppressed_at, false) as is_suppressed,
        in_edition.recipient_key is not null
        or row_number() over (
            partition by addressed.recipient_key order by addressed.reason is not null, addressed.customer_id
        ) > 1 as is_taken,
        coalesce(recent.messages, 0) >= %(cap_messages)s as is_capped,
        had_it.customer_id is not null as has_had_it
    from addressed
    left join suppressed on addressed.customer_id = suppressed.customer_id
    left join in_edition on addressed.recipient_key = in_edition.recipient_key
    left join recent on addressed.customer_id = recent.customer_id
    left join had_it on addressed.customer_id = had_it.customer_id
),

judged as materialized (
    select
        customer_id,
        entered_at,
        -- One row of an edition may hold an address; the others with the same one go without.
        case when not is_taken then recipient_key end as recipient_key,
        due_at,
        case
            when reason is not null then reason
            -- Where nobody ever decided on the topic, consent is missing and not the address.
            when not (
                select exists (select from {consents} where channel = 'email' and topic = %(topic)s)
            ) then 'no_consent'
            when recipient_key is null then 'no_address'
            when not is_granted then 'no_consent'
            when is_suppressed then 'suppressed'
            when is_taken then 'same_address'
            when is_capped then 'frequency_cap'
            when has_had_it then 're_entry'
            when last_active_at < %(slot_at)s - %(sunset)s::interval then 'sunset'
        end as reason
    from told
),

{assignment}

select
    md5(%(edition)s || '/' || coalesce(recipient_key, customer_id))::uuid,
    customer_id,
    recipient_key,
    entered_at,
    case when reason is null then 'planned' when reason = 'too_late' then 'expired' else 'skipped' end,
    reason,
    due_at,
    due_at + %(expires_after)s::interval,
    arm,
    variant,
    global_arm
from armed
"""

_TABLES = """
drop table if exists pg_temp.candidates, pg_temp.meant, pg_temp.addressed, pg_temp.plan;

create temp table candidates (
    customer_id text not null, entered_at timestamptz, base_at timestamptz not null,
    is_late boolean not null
) on commit drop;

create temp table meant (
    customer_id text not null, entered_at timestamptz, base_at timestamptz not null, zone text not null,
    email text, last_active_at timestamptz, reason text
) on commit drop;

create temp table addressed (
    customer_id text not null, entered_at timestamptz, recipient_key text, is_granted boolean not null,
    confirmed_at timestamptz, due_at timestamptz not null, last_active_at timestamptz, reason text
) on commit drop;

create temp table plan (
    message_id uuid not null, customer_id text not null, recipient_key text, entered_at timestamptz,
    state text not null, state_reason text, due_at timestamptz not null, expires_at timestamptz not null,
    arm text, variant text, global_arm text
) on commit drop;

set local work_mem = '128MB';
"""


def make_plan(connection: psycopg.Connection, edition: EditionPlan) -> int:
    """Fill `plan`, which lasts as long as the transaction; how many people were considered.

    The recipients of the warehouse must be known (`ensure_recipients`).
    """
    parameters, tables = edition.parameters(), edition.tables.named()
    connection.execute(_TABLES)
    considered = candidates.fill(connection, edition, parameters)
    if considered == 0:
        return 0
    not_meant, values = reason_not_meant(edition.campaign, edition.columns, edition.tables)
    since = "entered_at" if edition.campaign.trigger.entering else "null::timestamptz"
    statement = sql.SQL(_MEANT).format(
        not_meant=not_meant,
        since=sql.SQL(since),
        zone=recipient_hours.zone_sql(edition.campaign),
        last_active_at=_last_active(edition, tables),
        **tables,
    )
    connection.execute(statement, parameters | values)
    connection.execute("analyze meant")
    if edition.campaign.window is not None:
        parameters |= recipient_hours.parameters(edition.campaign)
        parameters["zones"] = recipient_hours.known_zones(connection)
    due = recipient_hours.due_sql(edition.campaign)
    connection.execute(sql.SQL(_ADDRESSED).format(due=due, **tables), parameters)
    connection.execute("analyze addressed")
    connection.execute(
        sql.SQL(_PLAN).format(
            live=sql.SQL(LIVE),
            assignment=arms.assignment_sql(edition.campaign, edition.delivery, tables),
            **tables,
        ),
        parameters,
    )
    if edition.campaign.limits.per_day is not None:
        recipient_hours.spread_over_days(connection, edition, parameters)
    connection.execute("analyze plan")
    return considered


def _last_active(edition: EditionPlan, tables: Mapping[str, sql.Composable]) -> sql.Composable:
    """When the row `customers` last bought, came or clicked; null, unread, where there is no sunset rule."""
    if edition.delivery.sunset_after is None:
        return sql.SQL("null::timestamptz")
    return sql.SQL(
        """
        greatest(customers.last_order_at, customers.last_seen_at, (
            select max(message_events.occurred_at)
            from {messages} as messages
            inner join activation.message_events on messages.message_id = message_events.message_id
            where
                messages.customer_id = subject.customer_id
                and message_events.event = 'clicked'
                and message_events.occurred_at <= %(moment)s
        ))
        """
    ).format(**tables)
