"""What becomes of everybody an edition considers: planned, or skipped for the first reason that applies."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns import arms, recipient_hours

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

LIVE = "('planned', 'sending', 'uncertain', 'unknown', 'accepted')"

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

judged as (
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
    -- Why somebody gets nothing is found out once, and not wherever it is mentioned below.
    offset 0
),

{assignment}

select
    -- In the order of the recipients, in which the other indexes of messages are filled.
    (
        left(md5(%(edition)s), 12)
        || left(coalesce(split_part(recipient_key, '_', 2), md5(customer_id)), 20)
    )::uuid,
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


def fill(connection: psycopg.Connection, edition: "EditionPlan", parameters: dict[str, Any]) -> None:
    """Put everybody of `addressed` into the temporary table `plan`."""
    tables = edition.tables.named()
    statement = sql.SQL(_PLAN).format(
        live=sql.SQL(LIVE),
        assignment=arms.assignment_sql(edition.campaign, edition.delivery, tables),
        **tables,
    )
    connection.execute(statement, parameters)
    if edition.campaign.limits.per_day is not None:
        recipient_hours.spread_over_days(connection, edition, parameters)
    connection.execute("analyze plan")
