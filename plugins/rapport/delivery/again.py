"""A person decides to send again what nobody knows the fate of. Rapport never does so by itself."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

from rapport.errors import DecisionRefused


def send_again(
    connection: psycopg.Connection, edition_id: str, *, by: str, message_ids: Sequence[UUID] | None = None
) -> int:
    """Plan `unknown` messages of an edition once more; returns how many.

    Who got the first one will have it twice. Every limit is checked again, and the mail has a day to leave.

    Args:
        message_ids: these only; all unknown ones of the edition, unless told.

    Raises:
        DecisionRefused: there is no such edition, or it is held or cancelled.
    """
    with connection.transaction():
        row = connection.execute(
            "select state from activation.editions where edition_id = %s for update", [edition_id]
        ).fetchone()
        if row is None:
            raise DecisionRefused(f"there is no edition {edition_id}; `rapport campaign status` lists them")
        if row[0] not in ("approved", "sending", "paused", "done"):
            raise DecisionRefused(f"edition {edition_id} is {row[0]}; what is unknown in it stays so")
        planned = connection.execute(
            """
            with unknown as (
                select message_id, attempt_id from activation.messages
                where
                    edition_id = %(edition)s
                    and state = 'unknown'
                    and (%(ids)s::uuid[] is null or message_id = any(%(ids)s::uuid[]))
                for update
            ),

            noted as (
                insert into activation.resends (message_id, attempt_id, sent_again_by)
                select message_id, attempt_id, %(by)s from unknown
            )

            update activation.messages
            set
                state = 'planned',
                state_reason = null,
                claimed_at = null,
                attempt_id = null,
                expires_at = greatest(expires_at, now() + interval '1 day')
            from unknown
            where messages.message_id = unknown.message_id
            """,
            {
                "edition": edition_id,
                "ids": list(message_ids) if message_ids is not None else None,
                "by": by,
            },
        ).rowcount
        if planned:
            connection.execute(
                "update activation.editions set state = 'approved' where edition_id = %s and state = 'done'",
                [edition_id],
            )
    return planned
