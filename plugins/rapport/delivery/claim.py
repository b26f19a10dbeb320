"""Claiming messages: the last moment at which somebody can still not get a mail.

One transaction of two statements. The first locks the recipients, in order and without waiting; the second,
which sees what others have committed by then, counts and checks, and writes `sending` and the attempts. In
one statement two campaigns would count before either has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg

from rapport.delivery import quotas
from rapport.delivery.claim_statement import Claiming, claim_statement

_LOCK = """
select recipients.recipient_key
from activation.recipients
where recipients.recipient_key = any(%(keys)s)
order by recipients.recipient_key
for update skip locked
"""


@dataclass(frozen=True)
class Candidate:
    """A message that was rendered for an attempt and is to be claimed now."""

    message_id: UUID
    recipient_key: str
    attempt_id: int


@dataclass(frozen=True)
class Claimed:
    """Messages that are now `sending`, and how many were skipped. The others stay planned."""

    message_ids: set[UUID] = field(default_factory=set)
    skipped: int = 0


def attempt_ids(connection: psycopg.Connection, count: int) -> list[int]:
    """Numbers for as many attempts; those that are not used are never used."""
    rows = connection.execute(
        """
        select nextval(pg_get_serial_sequence('activation.attempts', 'attempt_id'))
        from generate_series(1, %s)
        """,
        [count],
    )
    return [int(row[0]) for row in rows]


def claim(
    connection: psycopg.Connection,
    claiming: Claiming,
    candidates: Sequence[Candidate],
    *,
    moment: datetime,
    share: int | None = None,
) -> Claimed:
    """Claim the candidates who may still get their mail, and write the attempts that will hand them over.

    Who is out of their hours, or has trouble with our service, waits; who may not get it any more is skipped.

    Args:
        moment: by which hours, expiry and conditions are judged.
        share: how many of the edition may leave at most, those that have left included.
    """
    campaign = claiming.campaign
    statement, parameters = claim_statement(claiming, moment, share)
    parameters |= {
        "ids": [candidate.message_id for candidate in candidates],
        "attempts": [candidate.attempt_id for candidate in candidates],
        "keys": [candidate.recipient_key for candidate in candidates],
    }
    with connection.transaction():
        if share is not None or campaign.limits.per_day is not None:
            quotas.lock(connection, campaign.name)
        keys = [row[0] for row in connection.execute(_LOCK, parameters)]
        if not keys:
            return Claimed()
        rows = connection.execute(statement, {**parameters, "keys": keys}).fetchall()
    claimed = {message_id for message_id, attempt_id in rows if attempt_id is not None}
    return Claimed(claimed, len(rows) - len(claimed))
