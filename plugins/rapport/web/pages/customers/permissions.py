"""May we write to a customer: consents per address and topic, and what stands against them."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

ADDRESSES = 20


@dataclass(frozen=True)
class Permission:
    """What was decided about an address and a topic. `suppressed_at` None: nothing stands against it."""

    email: str
    channel: str
    topic: str
    is_granted: bool
    basis: str | None
    granted_at: datetime | None
    confirmed_at: datetime | None
    expires_at: datetime | None
    withdrawn_at: datetime | None
    suppressed_at: datetime | None
    suppressed_because: str | None

    @property
    def is_open(self) -> bool:
        """Whether a mail about the topic may go to the address."""
        return self.is_granted and self.suppressed_at is None


_PERMISSIONS = """
with addresses as (
    select value as email, last_seen_at
    from marts.customer_identifiers
    where customer_id = %(customer)s and kind = 'email'
    order by last_seen_at desc, value
    limit %(addresses)s
),

decided as (
    select consents.*
    from addresses
    inner join marts.consents on addresses.email = consents.email
),

stopped as (
    select suppressions.*
    from addresses
    inner join marts.suppressions on addresses.email = suppressions.email
),

-- An address that was suppressed for a topic of which nothing else is known has a line of its own.
topics as (
    select email, channel, topic from decided
    union
    select email, 'email', topic from stopped
)

select
    topics.email, topics.channel, topics.topic,
    coalesce(decided.is_granted, false) as is_granted,
    decided.basis, decided.granted_at, decided.confirmed_at, decided.expires_at, decided.withdrawn_at,
    standing.suppressed_at,
    standing.reason || coalesce(' (' || standing.detail || ')', '') as suppressed_because
from topics
inner join addresses on topics.email = addresses.email
left join decided
    on topics.email = decided.email and topics.channel = decided.channel and topics.topic = decided.topic
left join lateral (
    select stopped.suppressed_at, stopped.reason, stopped.detail
    from stopped
    where
        topics.channel = 'email'
        and stopped.email = topics.email
        and stopped.topic in (topics.topic, 'all')
        and (decided.confirmed_at > stopped.suppressed_at) is not true
    order by stopped.suppressed_at desc
    limit 1
) as standing on true
order by addresses.last_seen_at desc, topics.email, topics.channel, topics.topic
"""


def read(connection: psycopg.Connection, customer_id: str) -> list[Permission]:
    """By address, the one seen last first, and topic. A marketer's connection."""
    with connection.cursor(row_factory=class_row(Permission)) as cursor:
        return cursor.execute(_PERMISSIONS, {"customer": customer_id, "addresses": ADDRESSES}).fetchall()
