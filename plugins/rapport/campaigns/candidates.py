"""One edition's messages, in set-based SQL: a row for every candidate, planned or skipped with the reason."""

from datetime import datetime
from typing import Any

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.delivery.configuration import FrequencyCap

_ENTRIES = """
    select memberships.customer_id, memberships.entered_at
    from segments.memberships
    inner join audience using (customer_id)
    where
        memberships.segment = %(entering)s
        and memberships.left_at is null
        and memberships.entered_at <= %(due_at)s
        and memberships.entered_at >= %(due_at)s - %(expires_after)s
        and not exists (
            select from activation.messages
            inner join activation.editions using (edition_id)
            where
                messages.campaign = %(campaign)s
                and messages.customer_id = memberships.customer_id
                and messages.entered_at = memberships.entered_at
                and (
                    editions.state <> 'cancelled'
                    or messages.state in ('sending', 'accepted', 'rejected', 'uncertain', 'unknown')
                )
        )
"""

_MEMBERS = """
    select audience.customer_id, null::timestamptz as entered_at
    from audience
    where not exists (
        select from activation.messages
        where messages.edition_id = %(edition)s and messages.customer_id = audience.customer_id
    )
"""

_CANDIDATES = """
with audience as (
    select customer_id from segments.members where segment = any(%(include)s)
    except
    select customer_id from segments.members where segment = any(%(exclude)s)
),

candidates as ({candidates}),
"""

_INSERT = (
    _CANDIDATES
    + """
recent as (
    -- What was sent or will be to a recipient, on both sides of this edition: a run may go back in time.
    select recipient_key, count(*) as messages
    from activation.messages
    where
        state in ('planned', 'sending', 'uncertain', 'accepted')
        and due_at > %(due_at)s - %(cap_per)s
        and due_at < %(due_at)s + %(cap_per)s
        and edition_id <> %(edition)s
    group by recipient_key
),

had_it as (
    select messages.recipient_key, coalesce(merges.customer_id, messages.customer_id) as customer_id
    from activation.messages
    left join identity.merges on messages.customer_id = merges.old_customer_id
    where
        messages.campaign = %(campaign)s
        and messages.edition_id <> %(edition)s
        and messages.state in ('planned', 'sending', 'uncertain', 'unknown', 'accepted')
        and (%(re_entry)s::interval is null or messages.due_at > %(due_at)s - %(re_entry)s::interval)
),

in_edition as (
    select recipient_key from activation.messages where edition_id = %(edition)s and recipient_key is not null
),

suppressed as (
    select recipient_key, max(suppressed_at) as suppressed_at
    from activation.suppressions
    where topic in (%(topic)s, 'all')
    group by recipient_key
),

addressed as (
    select
        candidates.customer_id,
        candidates.entered_at,
        recipients.recipient_key,
        coalesce(consents.is_granted, false) as is_granted,
        suppressed.suppressed_at is not null
        and not coalesce(consents.confirmed_at > suppressed.suppressed_at, false) as is_suppressed,
        in_edition.recipient_key is not null
        or row_number() over (partition by recipients.recipient_key order by candidates.customer_id) > 1
        as is_taken,
        coalesce(recent.messages, 0) as recent_messages,
        candidates.customer_id in (select customer_id from had_it)
        or recipients.recipient_key in (select recipient_key from had_it where recipient_key is not null)
        as has_had_it
    from candidates
    left join marts.customers using (customer_id)
    left join activation.recipients on customers.email = recipients.email
    left join marts.consents
        on customers.email = consents.email and consents.channel = 'email' and consents.topic = %(topic)s
    left join suppressed using (recipient_key)
    left join in_edition using (recipient_key)
    left join recent using (recipient_key)
),

judged as (
    select
        *,
        case
            -- Where nobody ever decided on the topic, consent is missing and not the address.
            when not (
                select exists (select from marts.consents where channel = 'email' and topic = %(topic)s)
            ) then 'no_consent'
            when recipient_key is null then 'no_address'
            when not is_granted then 'no_consent'
            when is_suppressed then 'suppressed'
            when is_taken then 'same_address'
            when recent_messages >= %(cap_messages)s then 'frequency_cap'
            when has_had_it then 're_entry'
        end as reason,
        -- One row of an edition may hold an address; the others with the same one go without.
        case when not is_taken then recipient_key end as own_key
    from addressed
)

insert into activation.messages (
    message_id, edition_id, campaign, customer_id, recipient_key, entered_at, state, state_reason, due_at
)
select
    md5(%(edition)s || '/' || coalesce(own_key, customer_id))::uuid,
    %(edition)s,
    %(campaign)s,
    customer_id,
    own_key,
    entered_at,
    case when reason is null then 'planned' else 'skipped' end,
    reason,
    %(due_at)s
from judged
"""
)


def has_new_entries(connection: psycopg.Connection, campaign: Campaign, due_at: datetime) -> bool:
    """Whether somebody entered the campaign's segment whom it has not considered yet."""
    query = (
        _CANDIDATES.format(candidates=_ENTRIES).rstrip().rstrip(",")
        + " select exists (select from candidates)"
    )
    row = connection.execute(query, _parameters(campaign, "", due_at)).fetchone()
    return row is not None and bool(row[0])


def insert_messages(
    connection: psycopg.Connection, campaign: Campaign, edition_id: str, due_at: datetime, cap: FrequencyCap
) -> None:
    """Write the edition's messages; the ids depend on nothing but the edition and the recipient.

    Recipients must be known (`activation.recipients`) and the edition's row must exist.
    """
    query = _INSERT.format(candidates=_ENTRIES if campaign.trigger.entering else _MEMBERS)
    parameters = _parameters(campaign, edition_id, due_at)
    connection.execute(query, {**parameters, "cap_messages": cap.messages, "cap_per": cap.per})


def _parameters(campaign: Campaign, edition_id: str, due_at: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign.name,
        "edition": edition_id,
        "due_at": due_at,
        "include": campaign.segments_included,
        "exclude": campaign.audience.exclude,
        "entering": campaign.trigger.entering,
        "expires_after": campaign.expires_after,
        "topic": campaign.topic,
        "re_entry": campaign.re_entry,
    }
