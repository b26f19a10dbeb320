"""The statement that decides, for messages whose recipients are locked, who gets the mail now.

Who may not get it any more is skipped with the reason, who must wait gets a later due time, and the others
become `sending`, with the attempts that will hand them over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from rapport.campaigns import rechecks
from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import Delivery, Topic
from rapport.delivery.leaving import GOES_ON
from rapport.delivery.quotas import SENT_OF_EDITION, SENT_TODAY

SERVICE_HOLD_LOOK = timedelta(minutes=15)  # until somebody who waits for our service is looked at again

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
        and {goes_on}
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
    -- them in this edition the first goes. While one of an edition before is due, this one waits: a sender
    -- that claims that one in this instant cannot be seen.
    select
        ids_of_people.message_id,
        bool_or(others.state <> 'planned' or others.edition_id = %(edition)s) as is_decided
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
            or (
                others.state = 'planned'
                and others.edition_id <> %(edition)s
                and of_others.state in ('approved', 'sending')
                and (others.due_at, others.message_id) < (ids_of_people.due_at, ids_of_people.message_id)
            )
        )
    group by ids_of_people.message_id
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
            when doubled.is_decided then 'merged'
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
        coalesce(not doubled.is_decided, false) as is_undecided,
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
    left join doubled using (message_id)
    left join out_of_hours using (message_id)
    left join in_service_hold using (message_id)
),

chosen as (
    select judged.message_id, judged.attempt_id
    from judged
    where judged.reason is null and judged.later is null and not judged.is_undecided
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

_NOBODY_MOVED = sql.SQL(
    "select null::uuid as message_id, null::timestamptz as allowed_at where false"
).format()
_NOBODY_WAITS = sql.SQL("select null::uuid as message_id where false").format()


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


def claim_statement(
    claiming: Claiming, moment: datetime, share: int | None
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement and its parameters; it also needs `ids`, `attempts` and `keys`.

    It gives (message_id, attempt_id) of what was claimed, and (message_id, null) of who was skipped.
    """
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
        limits.append(f"%(share)s - {SENT_OF_EDITION}")
    if campaign.limits.per_day is not None:
        limits.append(f"%(per_day)s - {SENT_TODAY}")
    statement = sql.SQL(_CLAIM).format(
        goes_on=sql.SQL(GOES_ON),
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
