"""Messages of which nobody knows whether they were sent, by the names of those they were for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

SHOWN = 50


@dataclass(frozen=True)
class Unknown:
    """A message handed over without an answer; `customer_id` is the recipient's of today."""

    message_id: UUID
    customer_id: str
    claimed_at: datetime | None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.customer_id


def unknown_messages(
    connection: psycopg.Connection, edition_id: str, after: UUID | None = None, limit: int = SHOWN
) -> list[Unknown]:
    """Without names: found by the requests that stayed unanswered, in the order of their ids."""
    with connection.cursor(row_factory=class_row(Unknown)) as cursor:
        return cursor.execute(
            """
            select
                messages.message_id,
                coalesce(merges.customer_id, messages.customer_id) as customer_id,
                messages.claimed_at
            from activation.attempts
            inner join activation.messages using (attempt_id)
            left join identity.merges on messages.customer_id = merges.old_customer_id
            where
                attempts.edition_id = %(edition)s
                and attempts.outcome = 'unknown'
                and messages.state = 'unknown'
                and (%(after)s::uuid is null or messages.message_id > %(after)s)
            order by messages.message_id
            limit %(limit)s
            """,
            {"edition": edition_id, "after": after, "limit": limit},
        ).fetchall()


def named(connection: psycopg.Connection, messages: list[Unknown]) -> list[Unknown]:
    """The messages with the names that the connection's role may see."""
    rows = connection.execute(
        "select customer_id, first_name, last_name, email from marts.customers where customer_id = any(%s)",
        [[message.customer_id for message in messages]],
    ).fetchall()
    names = {row[0]: row[1:] for row in rows}
    return [
        Unknown(one.message_id, one.customer_id, one.claimed_at, *names.get(one.customer_id, ()))
        for one in messages
    ]
