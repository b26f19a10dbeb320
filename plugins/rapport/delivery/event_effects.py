"""What events change: what is known of messages and attempts, and who is suppressed. By sets, in one go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from rapport.delivery.sendgrid_events import Event

_INCOMING = """
create temp table incoming (
    message_id uuid,
    attempt_id bigint,
    name text not null,
    kind text,
    occurred_at timestamptz not null,
    detail text,
    class text,
    user_agent text,
    is_machine_open boolean,
    suppresses text,
    recipient_key text
) on commit drop
"""

# An id that is not among our messages is as good as none: two installations may share one account.
_EVENTS = """
create temp table events on commit drop as
select
    incoming.*,
    messages.message_id is not null as is_ours,
    messages.edition_id,
    messages.recipient_key as message_key,
    exists (
        select from activation.suppressions
        where
            suppressions.recipient_key = messages.recipient_key
            and suppressions.topic = 'all'
            and suppressions.reason = 'erased'
    ) as is_erased
from incoming
left join activation.messages using (message_id)
"""

# What an attempt number proves counts within the message's own edition only.
_PROVEN = """
create temp table proven on commit drop as
select distinct events.attempt_id
from events
inner join activation.attempts
    on events.attempt_id = attempts.attempt_id and events.edition_id = attempts.edition_id
where attempts.outcome is distinct from 'accepted'
"""

_ACCEPT = """
with found as (
    select messages.message_id
    from activation.messages
    inner join proven using (attempt_id)
    where messages.state in ('sending', 'uncertain', 'unknown')
    union
    select messages.message_id
    from activation.messages
    inner join events using (message_id)
    where messages.state <> 'accepted'
),

locked as (
    select message_id, state, edition_id
    from activation.messages
    where message_id in (select message_id from found)
    order by message_id
    for update
)

update activation.messages
set state = 'accepted', state_reason = null, accepted_at = %(now)s
from locked
where messages.message_id = locked.message_id and locked.state <> 'accepted'
returning locked.state, locked.edition_id
"""

_CLOSE_ATTEMPTS = """
update activation.attempts
set outcome = 'accepted', ended_at = coalesce(ended_at, %(now)s)
from proven
where attempts.attempt_id = proven.attempt_id
"""

_KEEP = """
insert into activation.message_events
(message_id, attempt_id, event, occurred_at, detail, class, user_agent, is_machine_open)
select
    message_id,
    attempt_id,
    kind,
    occurred_at,
    case when not is_erased then detail end,
    class,
    case when not is_erased then user_agent end,
    is_machine_open
from events
where is_ours and kind is not null
on conflict do nothing
"""

# The furthest event counts, of equally far ones the latest, so that their order does not matter.
_DELIVERY = """
with ranks (delivery, rank) as (
    values ('deferred', 1), ('delivered', 2), ('bounced', 3), ('dropped', 3), ('complained', 4)
),

furthest as (
    select distinct on (events.message_id)
        events.message_id,
        events.kind,
        events.occurred_at,
        events.class,
        ranks.rank
    from events
    inner join ranks on events.kind = ranks.delivery
    where events.is_ours
    order by events.message_id, ranks.rank desc, events.occurred_at desc, events.kind desc, events.class
),

locked as (
    select messages.message_id, coalesce(ranks.rank, 0) as rank, messages.delivery_at, messages.delivery
    from activation.messages
    left join ranks using (delivery)
    where messages.message_id in (select message_id from furthest)
    order by messages.message_id
    for update of messages
)

update activation.messages
set delivery = furthest.kind, delivery_at = furthest.occurred_at, delivery_detail = furthest.class
from furthest
inner join locked using (message_id)
where
    messages.message_id = furthest.message_id
    and (furthest.rank, furthest.occurred_at, furthest.kind)
    > (locked.rank, coalesce(locked.delivery_at, '-infinity'), coalesce(locked.delivery, ''))
"""

_SUPPRESS = """
insert into activation.suppressions (recipient_key, topic, reason, suppressed_at, detail)
select distinct on (coalesce(message_key, recipient_key), suppresses, occurred_at)
    coalesce(message_key, recipient_key),
    'all',
    suppresses,
    occurred_at,
    coalesce(class, name)
from events
where suppresses is not null and coalesce(message_key, recipient_key) is not null
order by coalesce(message_key, recipient_key), suppresses, occurred_at, class
on conflict do nothing
"""

_STRAY = """
insert into activation.stray_events (event, occurred_at, recipient_key, detail)
select distinct coalesce(kind, name), occurred_at, recipient_key, coalesce(class, message_id::text)
from events
where not is_ours
on conflict do nothing
"""


@dataclass
class Effects:
    """What was new: copies, and events that were there already, count nowhere.

    `surprises` are sentences for people, without personal data: messages that were sent though we had them as
    not sent.
    """

    events: int = 0
    accepted: int = 0
    suppressed: int = 0
    strays: int = 0
    surprises: list[str] = field(default_factory=list)


def record(connection: psycopg.Connection, events: Sequence[Event], now: datetime) -> Effects:
    """Keep the events and all that follows from them, in the connection's transaction.

    Args:
        now: when messages count as accepted which the events prove were.
    """
    _copy(connection, events)
    effects = Effects()
    accepted = connection.execute(_ACCEPT, {"now": now}).fetchall()
    effects.accepted = len(accepted)
    surprising = Counter(row for row in accepted if row[0] not in ("sending", "uncertain", "unknown"))
    effects.surprises += [
        f"{number:,} messages of edition {edition_id} were {state} here, but SendGrid has sent them: "
        "they are accepted now; see why they were taken for not sent"
        for (state, edition_id), number in sorted(surprising.items())
    ]
    connection.execute(_CLOSE_ATTEMPTS, {"now": now})
    effects.events = connection.execute(_KEEP).rowcount
    connection.execute(_DELIVERY)
    effects.suppressed = connection.execute(_SUPPRESS).rowcount
    effects.strays = connection.execute(_STRAY).rowcount
    return effects


def _copy(connection: psycopg.Connection, events: Sequence[Event]) -> None:
    connection.execute("drop table if exists pg_temp.incoming, pg_temp.events, pg_temp.proven")
    connection.execute(_INCOMING)
    with connection.cursor().copy("copy incoming from stdin") as copy:
        for event in events:
            copy.write_row(
                (
                    event.message_id,
                    event.attempt_id,
                    event.name,
                    event.kind,
                    event.occurred_at,
                    event.detail,
                    event.class_,
                    event.user_agent,
                    event.is_machine_open,
                    event.suppresses,
                    event.recipient_key,
                )
            )
    connection.execute(_EVENTS)
    connection.execute(_PROVEN)
