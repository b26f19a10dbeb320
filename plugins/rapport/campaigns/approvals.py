"""Editions that wait for a person, and what becomes of those that nobody approved in time."""

from collections.abc import Sequence
from datetime import datetime

import psycopg


def time_out_approvals(connection: psycopg.Connection, now: datetime) -> list[str]:
    """Cancel what has awaited approval for longer than its campaign allows; the ids of those editions.

    The time counts from the as_of of the run that planned it. Whoever was in it does not enter again.
    """
    with connection.transaction():
        rows = connection.execute(
            """
            update activation.editions set state = 'cancelled', state_reason = 'not_approved'
            from ops.runs
            where
                editions.run_id = runs.run_id
                and editions.state = 'awaiting_approval'
                and runs.as_of + (editions.specification #>> '{campaign,approval_within}')::interval <= %s
            returning editions.edition_id
            """,
            [now],
        ).fetchall()
        editions = [row[0] for row in rows]
        withdraw(connection, editions, "not_approved")
    return editions


def withdraw(connection: psycopg.Connection, editions: Sequence[str], reason: str) -> int:
    """Cancel what is planned of editions that are given up; where one sent nothing, forget its arms.

    Returns how many messages were cancelled.
    """
    cancelled = connection.execute(
        """
        update activation.messages set state = 'cancelled', state_reason = %s
        where edition_id = any(%s) and state = 'planned'
        """,
        [reason, list(editions)],
    ).rowcount
    connection.execute(
        """
        delete from activation.arms
        where edition_id = any(%s) and not exists (
            select from activation.messages
            where
                messages.edition_id = arms.edition_id
                and messages.state in ('sending', 'accepted', 'rejected', 'uncertain', 'unknown')
        )
        """,
        [list(editions)],
    )
    return cancelled
