"""Claiming messages: the last moment at which somebody can still not get a mail.

One transaction of two statements. The first locks the recipients, in order and without waiting; the second,
which sees what others have committed by then, counts and checks, and writes `sending` and the attempts. In
one statement two campaigns would count before either has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import Delivery

_LOCK = """
select recipients.recipient_key
from activation.recipients
where recipients.recipient_key = any(%(keys)s)
order by recipients.recipient_key
for update skip locked
"""

# What is counted over a campaign or an edition is counted by one claim at a time.
_LOCK_QUOTA = "select pg_advisory_xact_lock(hashtextextended('rapport quota ' || %(campaign)s, 0))"

_CLAIM = """
with asked as (
    select * from unnest(%(ids)s::uuid[], %(attempts)s::bigint[]) as asked (message_id, attempt_id)
),

batch as (
    select
        messages.message_id,
        messages.recipient_key,
        messages.due_at,
        asked.attempt_id,
        merges.customer_id is not null as was_merged,
        coalesce(merges.customer_id, messages.customer_id) as customer_id
    from asked
    inner join activation.messages using (message_id)
    inner join activation.editions using (edition_id)
    left join identity.merges on messages.customer_id = merges.old_customer_id
    where
        messages.state = 'planned'
        and messages.edition_id = %(edition)s
        and messages.recipient_key = any(%(keys)s)
        and editions.state = 'sending'
        and not exists (
            select from activation.pauses
            where
                pauses.resumed_at is null
                and (pauses.campaign is null or pauses.campaign = editions.campaign)
        )
),

ids_of_people as (
    select message_id, customer_id from batch where was_merged
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
        batch.attempt_id,
        batch.due_at,
        case
            when
                not coalesce(
                    consents.is_granted
                    and (consents.confirmed_at is not null or not %(double_opt_in)s)
                    and (consents.expires_at <= %(moment)s) is not true,
                    false
                )
                then 'no_consent'
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
                select count(*)
                from activation.messages as others
                inner join activation.editions as of_others using (edition_id)
                where
                    others.recipient_key = batch.recipient_key
                    and others.message_id <> batch.message_id
                    and others.state in ('sending', 'uncertain', 'unknown', 'accepted')
                    and others.due_at > batch.due_at - %(cap_per)s
                    and others.due_at < batch.due_at + %(cap_per)s
                    and of_others.cap = %(cap)s
            ) >= %(cap_messages)s then 'frequency_cap'
        end as reason
    from batch
    inner join activation.recipients using (recipient_key)
    left join marts.consents
        on recipients.email = consents.email and consents.channel = 'email' and consents.topic = %(topic)s
    left join suppressed using (recipient_key)
    left join members using (customer_id)
),

sent_today as (
    select count(*) as messages
    from activation.messages
    where
        %(per_day)s::int is not null
        and messages.campaign = %(campaign)s
        and messages.state in ('sending', 'uncertain', 'unknown', 'accepted')
        and messages.claimed_at >= date_trunc('day', clock_timestamp(), 'UTC')
),

sent_of_edition as (
    select count(*) as messages
    from activation.messages
    where
        %(share)s::int is not null
        and messages.edition_id = %(edition)s
        and messages.state in ('sending', 'uncertain', 'unknown', 'accepted', 'rejected')
),

chosen as (
    select judged.message_id, judged.attempt_id
    from judged
    where judged.reason is null
    order by judged.due_at, judged.message_id
    limit least(
        %(per_day)s::int - (select messages from sent_today),
        %(share)s::int - (select messages from sent_of_edition),
        cardinality(%(ids)s::uuid[])
    )
),

skipped as (
    update activation.messages
    set state = 'skipped', state_reason = judged.reason
    from judged
    where messages.message_id = judged.message_id and judged.reason is not null
    returning messages.message_id
),

claimed as (
    update activation.messages
    set state = 'sending', state_reason = null, claimed_at = clock_timestamp(), attempt_id = chosen.attempt_id
    from chosen
    where messages.message_id = chosen.message_id
    returning messages.message_id, chosen.attempt_id
),

opened as (
    insert into activation.attempts (attempt_id, edition_id, transport, messages, sender, claimed_at)
    overriding system value
    select attempt_id, %(edition)s, %(transport)s, count(*), %(sender)s, clock_timestamp()
    from claimed
    group by attempt_id
)

select message_id, attempt_id from claimed
union all
select message_id, null from skipped
"""


@dataclass(frozen=True)
class Candidate:
    """A message that was rendered for an attempt and is to be claimed now."""

    message_id: UUID
    recipient_key: str
    attempt_id: int


@dataclass(frozen=True)
class Claimed:
    """Messages that are now `sending`, and how many were skipped. The others stay planned."""

    message_ids: set[UUID] = field(default_factory=set)
    skipped: int = 0


def attempt_ids(connection: psycopg.Connection, count: int) -> list[int]:
    """Numbers for as many attempts; those that are not used are never used."""
    rows = connection.execute(
        """
        select nextval(pg_get_serial_sequence('activation.attempts', 'attempt_id'))
        from generate_series(1, %s)
        """,
        [count],
    )
    return [int(row[0]) for row in rows]


def claim(
    connection: psycopg.Connection,
    edition_id: str,
    campaign: Campaign,
    delivery: Delivery,
    candidates: Sequence[Candidate],
    *,
    transport: str,
    sender: int,
    moment: datetime,
    share: int | None = None,
) -> Claimed:
    """Claim the candidates who may still get their mail, and write the attempts that will hand them over.

    Args:
        sender: the advisory lock of the calling process.
        share: how many of the edition may leave at most, those that have left included.
    """
    cap = delivery.caps[campaign.cap]
    topic = delivery.topics.get(campaign.topic)
    parameters: dict[str, Any] = {
        "edition": edition_id,
        "campaign": campaign.name,
        "ids": [candidate.message_id for candidate in candidates],
        "attempts": [candidate.attempt_id for candidate in candidates],
        "keys": [candidate.recipient_key for candidate in candidates],
        "include": campaign.segments_included,
        "exclude": campaign.audience.exclude,
        "entering": campaign.trigger.entering,
        "topic": campaign.topic,
        "double_opt_in": topic is not None and topic.double_opt_in,
        "cap": campaign.cap,
        "cap_messages": cap.messages,
        "cap_per": cap.per,
        "per_day": campaign.limits.per_day,
        "share": share,
        "transport": transport,
        "sender": sender,
        "moment": moment,
    }
    with connection.transaction():
        if share is not None or campaign.limits.per_day is not None:
            connection.execute(_LOCK_QUOTA, parameters)
        keys = [row[0] for row in connection.execute(_LOCK, parameters)]
        if not keys:
            return Claimed()
        rows = connection.execute(_CLAIM, {**parameters, "keys": keys}).fetchall()
    claimed = {message_id for message_id, attempt_id in rows if attempt_id is not None}
    return Claimed(claimed, len(rows) - len(claimed))
