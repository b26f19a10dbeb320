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
select distinct attempts.attempt_id
from events
inner join activation.attempts
    on events.attempt_id = attempts.attempt_id and events.edition_id = attempts.edition_id
where attempts.outcome is distinct from 'accepted'
"""

_ACCEPT = """
with found as (
    select messages.message_id
    from activation.messages
    where
        messages.attempt_id = any(%(proven)s)
        and messages.state in ('sending', 'uncertain', 'unknown')
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
set
    state = 'accepted',
    state_reason = null,
    accepted_at = %(now)s,
    claimed_at = coalesce(messages.claimed_at, %(now)s)
from locked
where messages.message_id = locked.message_id and locked.state <> 'accepted'
returning locked.state, locked.edition_id
"""

# One that is still under way is ended by its sender, which has an answer to note.
_CORRECT_ATTEMPTS = """
update activation.attempts set outcome = 'accepted'
where attempt_id = any(%(proven)s) and ended_at is not null
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

# The furthest event counts, of equally far ones the latest, so that their order does not matter. Nobody but
# the one drain writes these columns: nothing has to be locked first.
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
)

update activation.messages
set delivery = furthest.kind, delivery_at = furthest.occurred_at, delivery_detail = furthest.class
from furthest
where
    messages.message_id = furthest.message_id
    and (furthest.rank, furthest.occurred_at, furthest.kind) > (
        coalesce((select ranks.rank from ranks where ranks.delivery = messages.delivery), 0),
        coalesce(messages.delivery_at, '-infinity'),
        coalesce(messages.delivery, '')
    )
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
    # As a list, so that the messages are found by their attempts whatever the planner thinks of a new table.
    proven = [attempt_id for (attempt_id,) in connection.execute(_PROVEN)]
    accepted = connection.execute(_ACCEPT, {"now": now, "proven": proven}).fetchall()
    effects.accepted = len(accepted)
    surprising = Counter(row for row in accepted if row[0] not in ("sending", "uncertain", "unknown"))
    effects.surprises += [
        f"{number:,} messages of edition {edition_id} were {state} here, but SendGrid has sent them: "
        "they are accepted now; see why they were taken for not sent"
        for (state, edition_id), number in sorted(surprising.items())
    ]
    connection.execute(_CORRECT_ATTEMPTS, {"proven": proven})
    effects.events = connection.execute(_KEEP).rowcount
    connection.execute(_DELIVERY)
    effects.suppressed = connection.execute(_SUPPRESS).rowcount
    effects.strays = connection.execute(_STRAY).rowcount
    return effects


def _copy(connection: psycopg.Connection, events: Sequence[Event]) -> None:
    connection.execute("drop table if exists pg_temp.incoming, pg_temp.events")
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
