"""What becomes of messages after they were claimed, or if they no longer can be."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.delivery.transports import LegacyTransport as Transport

TOLERATED_ERRORS = 5  # and one in a thousand; beyond both the edition is held


def settle(connection: psycopg.Connection, transport: Transport) -> int:
    """Decide what a sender that died left in `sending`: what the transport holds was sent, the rest was not.

    Returns how many turned out to be sent.
    """
    if not transport.is_idempotent:
        return 0
    rows = connection.execute("select message_id from activation.messages where state = 'sending'").fetchall()
    held = [row[0] for row in rows if transport.holds(row[0])]
    with connection.transaction():
        record(connection, held, "accepted", None)
        connection.execute(
            """
            update activation.messages
            set
                state = case editions.state when 'cancelled' then 'cancelled' else 'planned' end,
                claimed_at = null
            from activation.editions
            where editions.edition_id = messages.edition_id and messages.state = 'sending'
            """
        )
    return len(held)


def record(connection: psycopg.Connection, ids: Sequence[UUID], state: str, reason: str | None) -> None:
    """Write what became of claimed messages."""
    connection.execute(
        """
        update activation.messages
        set
            state = %(state)s,
            state_reason = %(reason)s,
            accepted_at = case when %(state)s = 'accepted' then now() end
        where message_id = any(%(ids)s) and state = 'sending'
        """,
        {"state": state, "reason": reason, "ids": list(ids)},
    )


def hold(connection: psycopg.Connection, edition_id: str, reason: str) -> None:
    """Stop an edition; the next run plans it afresh while its slot is current."""
    connection.execute(
        "update activation.editions set state = 'held', state_reason = %s where edition_id = %s",
        [reason, edition_id],
    )


def hold_if_broken(connection: psycopg.Connection, edition_id: str) -> bool:
    """Hold the edition if too many of its mails do not render; whether it was held."""
    row = connection.execute(
        """
        update activation.editions
        set state = 'held', state_reason = 'render_errors: ' || tried.errors || ' of ' || tried.messages
        from (
            select
                count(*) filter (where state_reason = 'render_error') as errors,
                count(*) filter (where state <> 'skipped' or state_reason = 'render_error') as messages
            from activation.messages
            where edition_id = %(edition)s
        ) as tried
        where
            edition_id = %(edition)s
            and tried.errors > %(tolerated)s
            and tried.errors * 1000 > tried.messages
        returning edition_id
        """,
        {"edition": edition_id, "tolerated": TOLERATED_ERRORS},
    ).fetchone()
    return row is not None


def expire(connection: psycopg.Connection, edition_id: str, campaign: Campaign, now: datetime) -> int:
    """Drop what is planned if the edition is too late by now; how many messages that was."""
    return connection.execute(
        """
        update activation.messages set state = 'expired', state_reason = 'too_late'
        where edition_id = %s and state = 'planned' and due_at + %s < %s
        """,
        [edition_id, campaign.expires_after, now],
    ).rowcount
