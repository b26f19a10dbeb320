"""The editions of campaigns as people look at them: how far each is, and what became of its messages."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from rapport.errors import InputError


@dataclass(frozen=True)
class EditionRow:
    """An edition. `messages` counts by state, `skipped` by reason, `delivery` by what events said last."""

    edition_id: str
    campaign: str
    step: str | None
    slot_at: datetime
    due_at: datetime
    state: str
    state_reason: str | None
    edition_hash: str
    messages: dict[str, int]
    skipped: dict[str, int]
    delivery: dict[str, int]

    @property
    def planned(self) -> int:
        """Messages that are still to be sent."""
        return self.messages.get("planned", 0)


@dataclass(frozen=True)
class Pause:
    """What is paused now. `campaign` None: everything."""

    campaign: str | None
    paused_by: str
    reason: str | None
    paused_at: datetime


_EDITIONS = """
with chosen as (
    select * from activation.editions
    where
        (%(campaign)s::text is null or campaign = %(campaign)s)
        and (%(edition)s::text is null or edition_id = %(edition)s)
    order by slot_at desc, edition_id
    limit %(limit)s
),

counted as (
    select edition_id, state, state_reason, delivery, count(*) as messages
    from activation.messages
    where edition_id in (select edition_id from chosen)
    group by edition_id, state, state_reason, delivery
),

by_state as (
    select edition_id, jsonb_object_agg(state, messages) as messages
    from (
        select edition_id, state, sum(messages) as messages from counted group by edition_id, state
    ) as states
    group by edition_id
),

by_delivery as (
    select edition_id, jsonb_object_agg(delivery, messages) as delivery
    from (
        select edition_id, delivery, sum(messages) as messages
        from counted where delivery is not null group by edition_id, delivery
    ) as deliveries
    group by edition_id
),

-- Rows of those skipped when the edition was planned are kept for a time; the counts outlive them.
reasons as (
    select edition_id, reason, max(messages) as messages
    from (
        select edition_id, state_reason as reason, sum(messages) as messages
        from counted where state = 'skipped' group by edition_id, state_reason
        union all
        select edition_id, reason, messages from activation.edition_counts
        where edition_id in (select edition_id from chosen)
    ) as both_counts
    group by edition_id, reason
),

by_reason as (
    select edition_id, jsonb_object_agg(reason, messages order by messages desc) as skipped
    from reasons
    group by edition_id
)

select
    edition_id, campaign, step, slot_at, due_at, state, state_reason, edition_hash,
    coalesce(messages, '{}') as messages,
    coalesce(skipped, '{}') as skipped,
    coalesce(delivery, '{}') as delivery
from chosen
left join by_state using (edition_id)
left join by_reason using (edition_id)
left join by_delivery using (edition_id)
order by slot_at desc, edition_id
"""


def editions(
    connection: psycopg.Connection, campaign: str | None = None, limit: int = 30
) -> list[EditionRow]:
    """The newest editions, of one campaign or of all, newest first."""
    return _editions(connection, campaign, None, limit)


def find_edition(connection: psycopg.Connection, edition_id: str) -> EditionRow:
    """Raises InputError where there is no such edition."""
    found = _editions(connection, None, edition_id, 1)
    if not found:
        raise InputError(f"there is no edition {edition_id}; `rapport campaign status` lists them")
    return found[0]


def open_pauses(connection: psycopg.Connection) -> list[Pause]:
    """What is paused now; everything first."""
    with connection.cursor(row_factory=class_row(Pause)) as cursor:
        return cursor.execute(
            """
            select campaign, paused_by, reason, paused_at from activation.pauses
            where resumed_at is null
            order by campaign nulls first
            """
        ).fetchall()


def _editions(
    connection: psycopg.Connection, campaign: str | None, edition_id: str | None, limit: int
) -> list[EditionRow]:
    with connection.cursor(row_factory=class_row(EditionRow)) as cursor:
        return cursor.execute(
            _EDITIONS, {"campaign": campaign, "edition": edition_id, "limit": limit}
        ).fetchall()
