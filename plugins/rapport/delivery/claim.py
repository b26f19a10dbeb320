"""Claiming messages: the last moment at which somebody can still not get a mail.

One transaction of two statements. The first locks the recipients, in order and without waiting; the second,
which sees what others have committed by then, counts and checks, and writes `sending` and the attempts. In
one statement two campaigns would count before either has written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from rapport.campaigns import rechecks
from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import Delivery, Topic

SERVICE_HOLD_LOOK = timedelta(minutes=15)  # until somebody who waits for our service is looked at again

_LOCK = """
select recipients.recipient_key
from activation.recipients
where recipients.recipient_key = any(%(keys)s)
order by recipients.recipient_key
for update skip locked
"""

# What is counted over a campaign or an edition is counted by one claim at a time.
_LOCK_QUOTA = "select pg_advisory_xact_lock(hashtextextended('rapport quota ' || %(campaign)s, 0))"

# An attempt counts with what it was claimed for, unless nothing of it left.
_SENT = """
coalesce((
    select sum(attempts.messages)
    from activation.attempts
    inner join activation.editions using (edition_id)
    where
        {of_what}
        and (attempts.outcome is null or attempts.outcome not in ('returned', 'divided', 'rejected'))
), 0)
"""
_SENT_OF_EDITION = _SENT.format(of_what="attempts.edition_id = %(edition)s")
_SENT_TODAY = _SENT.format(
    of_what="""
        editions.campaign = %(campaign)s
        and attempts.claimed_at >= date_trunc('day', clock_timestamp(), 'UTC')
    """
)

_CLAIM = """
with asked as (
    select * from unnest(%(ids)s::uuid[], %(attempts)s::bigint[]) as asked (message_id, attempt_id)
),

batch as (
    select
        messages.message_id,
        messages.recipient_key,
        messages.due_at,
        messages.entered_at,
        editions.slot_at,
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
    select message_id, due_at, customer_id from batch where was_merged
    union all
    select batch.message_id, batch.due_at, merges.old_customer_id as customer_id
    from batch
    inner join identity.merges using (customer_id)
),

doubled as (
    -- Who was merged since the plan gets no mail that they got under another id; of two that are planned for
    -- them in this edition the first goes.
    select distinct ids_of_people.message_id
    from ids_of_people
    inner join activation.messages as others
        on
            ids_of_people.customer_id = others.customer_id
            and ids_of_people.message_id <> others.message_id
    inner join activation.editions as of_others using (edition_id)
    where
        others.campaign = %(campaign)s
        and of_others.step is not distinct from %(step)s
        and (
            others.edition_id = %(edition)s
            or (others.due_at > ids_of_people.due_at - %(re_entry)s::interval) is not false
        )
        and (
            others.state in ('sending', 'uncertain', 'unknown', 'accepted')
            or (
                others.state = 'planned'
                and others.edition_id = %(edition)s
                and others.message_id < ids_of_people.message_id
            )
        )
),

not_meant as ({not_meant}),

out_of_hours as ({out_of_hours}),

in_service_hold as ({in_service_hold}),

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
            when not_meant.reason is not null then not_meant.reason
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
        end as reason,
        greatest(
            out_of_hours.allowed_at,
            case when in_service_hold.message_id is not null then %(moment)s + %(looked_at_again)s end
        ) as later
    from batch
    inner join activation.recipients using (recipient_key)
    left join marts.consents
        on recipients.email = consents.email and consents.channel = 'email' and consents.topic = %(topic)s
    left join suppressed using (recipient_key)
    left join not_meant using (message_id)
    left join out_of_hours using (message_id)
    left join in_service_hold using (message_id)
),

chosen as (
    select judged.message_id, judged.attempt_id
    from judged
    where judged.reason is null and judged.later is null
    order by judged.due_at, judged.message_id
    limit {limit}
),

skipped as (
    update activation.messages
    set state = 'skipped', state_reason = judged.reason
    from judged
    where messages.message_id = judged.message_id and judged.reason is not null
    returning messages.message_id
),

moved as (
    update activation.messages set due_at = judged.later
    from judged
    where messages.message_id = judged.message_id and judged.reason is null and judged.later is not null
    returning messages.message_id
),

claimed as (
    update activation.messages
    set state = 'sending', state_reason = null, claimed_at = %(moment)s, attempt_id = chosen.attempt_id
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


def sent(connection: psycopg.Connection, edition_id: str) -> int:
    """How many messages of an edition have left, or are about to."""
    row = connection.execute(f"select {_SENT_OF_EDITION}", {"edition": edition_id}).fetchone()
    return int(row[0]) if row else 0


def left_today(connection: psycopg.Connection, campaign: Campaign) -> int | None:
    """How many more messages the campaign may send on this day of UTC; None: as many as there are."""
    if campaign.limits.per_day is None:
        return None
    row = connection.execute(f"select {_SENT_TODAY}", {"campaign": campaign.name}).fetchone()
    return max(0, campaign.limits.per_day - (int(row[0]) if row else 0))


@dataclass(frozen=True)
class Claiming:
    """What the claims of an edition have in common.

    Args:
        transport: the name of the one that the attempts go through.
        sender: the advisory lock of the calling process.
        columns: of `conditions.customer_columns`.
        zones: of `recipient_hours.known_zones`; needed where the campaign has a window.
    """

    edition_id: str
    step: str | None
    campaign: Campaign
    delivery: Delivery
    transport: str
    sender: int
    columns: Mapping[str, str]
    zones: Sequence[str] = ()


def claim(
    connection: psycopg.Connection,
    claiming: Claiming,
    candidates: Sequence[Candidate],
    *,
    moment: datetime,
    share: int | None = None,
) -> Claimed:
    """Claim the candidates who may still get their mail, and write the attempts that will hand them over.

    Who is out of their hours, or has trouble with our service, waits; who may not get it any more is skipped.

    Args:
        moment: by which hours, expiry and conditions are judged.
        share: how many of the edition may leave at most, those that have left included.
    """
    campaign = claiming.campaign
    statement, parameters = _claim_statement(claiming, moment, share)
    parameters |= {
        "ids": [candidate.message_id for candidate in candidates],
        "attempts": [candidate.attempt_id for candidate in candidates],
        "keys": [candidate.recipient_key for candidate in candidates],
    }
    with connection.transaction():
        if share is not None or campaign.limits.per_day is not None:
            connection.execute(_LOCK_QUOTA, parameters)
        keys = [row[0] for row in connection.execute(_LOCK, parameters)]
        if not keys:
            return Claimed()
        rows = connection.execute(statement, {**parameters, "keys": keys}).fetchall()
    claimed = {message_id for message_id, attempt_id in rows if attempt_id is not None}
    return Claimed(claimed, len(rows) - len(claimed))


def _claim_statement(
    claiming: Claiming, moment: datetime, share: int | None
) -> tuple[sql.Composed, dict[str, Any]]:
    campaign, delivery = claiming.campaign, claiming.delivery
    cap = delivery.caps[campaign.cap]
    topic = delivery.topics.get(campaign.topic, Topic())
    not_meant, values = rechecks.no_longer_meant(
        campaign, claiming.step, claiming.edition_id, claiming.columns, moment
    )
    out_of_hours, hours = rechecks.out_of_hours(campaign, moment, claiming.zones) or (_NOBODY_MOVED, {})
    in_service_hold, trouble = rechecks.in_service_hold(campaign, delivery.service_trouble, moment) or (
        _NOBODY_WAITS,
        {},
    )
    limits = ["cardinality(%(ids)s::uuid[])"]
    if share is not None:
        limits.append(f"%(share)s - {_SENT_OF_EDITION}")
    if campaign.limits.per_day is not None:
        limits.append(f"%(per_day)s - {_SENT_TODAY}")
    statement = sql.SQL(_CLAIM).format(
        not_meant=not_meant,
        out_of_hours=out_of_hours,
        in_service_hold=in_service_hold,
        limit=sql.SQL(f"greatest(0, least({', '.join(limits)}))"),
    )
    own = {
        "edition": claiming.edition_id,
        "step": claiming.step,
        "campaign": campaign.name,
        "re_entry": campaign.re_entry,
        "topic": campaign.topic,
        "double_opt_in": topic.double_opt_in,
        "cap": campaign.cap,
        "cap_messages": cap.messages,
        "cap_per": cap.per,
        "per_day": campaign.limits.per_day,
        "share": share,
        "transport": claiming.transport,
        "sender": claiming.sender,
        "moment": moment,
        "looked_at_again": SERVICE_HOLD_LOOK,
    }
    return statement, values | hours | trouble | own


_NOBODY_MOVED = sql.SQL(
    "select null::uuid as message_id, null::timestamptz as allowed_at where false"
).format()
_NOBODY_WAITS = sql.SQL("select null::uuid as message_id where false").format()
