"""Claiming messages: the last moment at which somebody can still not get a mail.

One transaction of two statements. The first locks the recipients; the second, which sees what
others have committed by then, counts and checks. In one statement two campaigns would count before either has
written.
"""

from uuid import UUID

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import FrequencyCap

_LOCK = """
select recipient_key
from activation.recipients
where recipient_key in (
    select recipient_key from activation.messages
    where edition_id = %(edition)s and state = 'planned'
    limit %(size)s
)
order by recipient_key
for update skip locked
"""

_CLAIM = """
with batch as (
    select
        messages.message_id,
        messages.recipient_key,
        messages.due_at,
        coalesce(merges.customer_id, messages.customer_id) as customer_id
    from activation.messages
    inner join activation.editions using (edition_id)
    left join identity.merges on messages.customer_id = merges.old_customer_id
    where
        messages.edition_id = %(edition)s
        and messages.state = 'planned'
        and messages.recipient_key = any(%(keys)s)
        and editions.state = 'sending'
),

ids_of_people as (
    select message_id, customer_id from batch
    union all
    select batch.message_id, merges.old_customer_id as customer_id
    from batch
    inner join identity.merges using (customer_id)
),

doubled as (
    -- Of two messages of this edition to one person, that who was merged since, the first goes.
    select distinct ids_of_people.message_id
    from ids_of_people
    inner join activation.messages as others
        on
            others.edition_id = %(edition)s
            and ids_of_people.customer_id = others.customer_id
            and ids_of_people.message_id <> others.message_id
    where
        others.state in ('sending', 'uncertain', 'unknown', 'accepted')
        or (others.state = 'planned' and others.message_id < ids_of_people.message_id)
),

members as (
    select customer_id, array_agg(segment) as segments
    from segments.members
    where
        segment = any(%(include)s::text[] || %(exclude)s::text[] || %(entering)s::text)
        and customer_id in (select customer_id from batch)
    group by customer_id
),

suppressed as (
    select recipient_key, max(suppressed_at) as suppressed_at
    from activation.suppressions
    where topic in (%(topic)s, 'all') and recipient_key = any(%(keys)s)
    group by recipient_key
),

judged as (
    select
        batch.message_id,
        case
            when not coalesce(consents.is_granted, false) then 'no_consent'
            when
                suppressed.suppressed_at is not null
                and not coalesce(consents.confirmed_at > suppressed.suppressed_at, false)
                then 'suppressed'
            when
                not coalesce(
                    members.segments && %(include)s::text[]
                    and not members.segments && %(exclude)s::text[]
                    and (%(entering)s::text is null or %(entering)s::text = any(members.segments)),
                    false
                )
                then 'no_longer_matches'
            when batch.message_id in (select message_id from doubled) then 'merged'
            when (
                select count(*) from activation.messages as others
                where
                    others.recipient_key = batch.recipient_key
                    and others.message_id <> batch.message_id
                    and others.state in ('sending', 'uncertain', 'accepted')
                    and others.due_at > batch.due_at - %(cap_per)s
                    and others.due_at < batch.due_at + %(cap_per)s
            ) >= %(cap_messages)s then 'frequency_cap'
        end as reason
    from batch
    inner join activation.recipients using (recipient_key)
    left join marts.consents
        on recipients.email = consents.email and consents.channel = 'email' and consents.topic = %(topic)s
    left join suppressed using (recipient_key)
    left join members using (customer_id)
)

update activation.messages
set
    state = case when judged.reason is null then 'sending' else 'skipped' end,
    state_reason = judged.reason,
    claimed_at = case when judged.reason is null then now() end
from judged
where messages.message_id = judged.message_id
returning messages.message_id, judged.reason
"""


def claim(
    connection: psycopg.Connection, edition_id: str, campaign: Campaign, cap: FrequencyCap, size: int
) -> tuple[list[UUID], int] | None:
    """Claim up to `size` messages: (ids now `sending`, how many were skipped); None when none is left."""
    with connection.transaction():
        keys = connection.execute(_LOCK, {"edition": edition_id, "size": size}).fetchall()
        if not keys:
            return None
        rows = connection.execute(
            _CLAIM,
            {
                "edition": edition_id,
                "keys": [key[0] for key in keys],
                "include": campaign.segments_included,
                "exclude": campaign.audience.exclude,
                "entering": campaign.trigger.entering,
                "topic": campaign.topic,
                "cap_messages": cap.messages,
                "cap_per": cap.per,
            },
        ).fetchall()
    if not rows:
        return None
    claimed = [message_id for message_id, reason in rows if reason is None]
    return claimed, len(rows) - len(claimed)
