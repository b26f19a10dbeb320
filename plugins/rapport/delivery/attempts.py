"""Attempts: a row for each request, written before it leaves: after any crash one knows what may have left.

An attempt without `requested_at` never left. One with it and without an end may have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

import psycopg

Outcome = Literal["accepted", "rejected", "returned", "divided", "uncertain", "unknown"]

_STATES = {
    "accepted": "accepted",
    "rejected": "rejected",
    "returned": "planned",
    "uncertain": "uncertain",
    "unknown": "unknown",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended. Its messages follow the outcome, but for `others`: state and reason by id."""

    attempt_id: int
    outcome: Outcome
    status: int | None = None
    provider_id: str | None = None
    detail: str | None = None
    others: dict[UUID, tuple[str, str | None]] = field(default_factory=dict)


def divide(
    connection: psycopg.Connection,
    attempt_id: int,
    parts: Sequence[Sequence[UUID]],
    *,
    status: int | None,
    detail: str | None,
    refused: Mapping[UUID, tuple[str, str | None]],
) -> list[int]:
    """End an attempt and open one, as old as its claim, for each part of its messages; returns their ids.

    Args:
        refused: state and reason of messages that are in no part.
    """
    with connection.transaction():
        _end_others(connection, [attempt_id], refused)
        return _open_parts(connection, attempt_id, parts, status, detail)


def _open_parts(
    connection: psycopg.Connection,
    attempt_id: int,
    parts: Sequence[Sequence[UUID]],
    status: int | None,
    detail: str | None,
) -> list[int]:
    rows = connection.execute(
        """
        with ended as (
            update activation.attempts
            set
                ended_at = clock_timestamp(),
                outcome = 'divided',
                status = %(status)s,
                detail = %(detail)s
            where attempt_id = %(attempt)s
        )

        insert into activation.attempts (edition_id, parent_id, transport, messages, sender, claimed_at)
        select attempts.edition_id, attempts.attempt_id, attempts.transport, part.messages, attempts.sender,
            attempts.claimed_at
        from activation.attempts
        cross join unnest(%(sizes)s::int[]) with ordinality as part (messages, place)
        where attempts.attempt_id = %(attempt)s
        order by part.place
        returning attempt_id
        """,
        {
            "attempt": attempt_id,
            "sizes": [len(part) for part in parts],
            "status": status,
            "detail": detail,
        },
    ).fetchall()
    ids = sorted(int(row[0]) for row in rows)
    connection.execute(
        """
        update activation.messages set attempt_id = parts.attempt_id
        from unnest(%(ids)s::uuid[], %(attempts)s::bigint[]) as parts (message_id, attempt_id)
        where
            messages.message_id = parts.message_id
            and messages.attempt_id = %(attempt)s
            and messages.state = 'sending'
        """,
        {
            "attempt": attempt_id,
            "ids": [message_id for part in parts for message_id in part],
            "attempts": [new for new, part in zip(ids, parts, strict=True) for _ in part],
        },
    )
    return ids


def end(connection: psycopg.Connection, ended: Sequence[Ended], *, at: datetime | None = None) -> None:
    """Write how attempts ended, and with them their messages. An event may have said more already; it stands.

    Nobody but the process that made a request says that it did not leave, so what is `uncertain` by then may
    become planned here.

    Args:
        at: when they were accepted, where that is not now: the local mailbox sends as of any day.
    """
    others = {message_id: how for one in ended for message_id, how in one.others.items()}
    with connection.transaction():
        _end_others(connection, [one.attempt_id for one in ended], others, at)
        connection.execute(
            _END,
            {
                "attempts": [one.attempt_id for one in ended],
                "outcomes": [one.outcome for one in ended],
                "states": [_STATES[one.outcome] for one in ended],
                "statuses": [one.status for one in ended],
                "providers": [one.provider_id for one in ended],
                "details": [one.detail for one in ended],
                "at": at,
            },
        )


def _end_others(
    connection: psycopg.Connection,
    attempt_ids: Sequence[int],
    others: Mapping[UUID, tuple[str, str | None]],
    at: datetime | None = None,
) -> None:
    if others:
        connection.execute(
            _OTHERS,
            {
                "ids": list(others),
                "attempts": list(attempt_ids),
                "states": [state for state, _ in others.values()],
                "reasons": [reason for _, reason in others.values()],
                "at": at,
            },
        )


_OTHERS = """
update activation.messages
set
    state = case
        when others.state = 'planned' and editions.state = 'cancelled' then 'cancelled' else others.state
    end,
    state_reason = others.reason,
    accepted_at = case when others.state = 'accepted' then coalesce(%(at)s, clock_timestamp()) end,
    claimed_at = case when others.state <> 'planned' then messages.claimed_at end,
    attempt_id = case when others.state <> 'planned' then messages.attempt_id end
from
    unnest(%(ids)s::uuid[], %(states)s::text[], %(reasons)s::text[]) as others (message_id, state, reason),
    activation.editions
where
    messages.message_id = others.message_id
    and messages.attempt_id = any(%(attempts)s)
    and messages.edition_id = editions.edition_id
    and messages.state in ('sending', 'uncertain', 'unknown')
"""

_END = """
with ended as (
    select * from unnest(
        %(attempts)s::bigint[], %(outcomes)s::text[], %(states)s::text[],
        %(statuses)s::int[], %(providers)s::text[], %(details)s::text[]
    ) as ended (attempt_id, outcome, state, status, provider_id, detail)
),

closed as (
    update activation.attempts
    set
        ended_at = clock_timestamp(),
        outcome = ended.outcome,
        status = ended.status,
        provider_id = ended.provider_id,
        detail = ended.detail
    from ended
    where
        attempts.attempt_id = ended.attempt_id
        and (attempts.outcome is null or attempts.outcome in ('uncertain', 'unknown'))
)

update activation.messages
set
    state = case
        when ended.state = 'planned' and editions.state = 'cancelled' then 'cancelled' else ended.state
    end,
    accepted_at = case when ended.state = 'accepted' then coalesce(%(at)s, clock_timestamp()) end,
    claimed_at = case when ended.state <> 'planned' then messages.claimed_at end,
    attempt_id = case when ended.state <> 'planned' then messages.attempt_id end
from ended, activation.editions
where
    messages.attempt_id = ended.attempt_id
    -- Said twice: where the server does not know yet how many have an attempt, it would read all who have.
    and messages.attempt_id = any(%(attempts)s)
    and messages.edition_id = editions.edition_id
    and messages.state in ('sending', 'uncertain', 'unknown')
"""
