"""Draining: what webhooks stored becomes what we know about messages and addresses.

Bodies may come in any order, in copies, and before the send that they are about is recorded; drained again
they change nothing. A chunk of them is one transaction: its events, what they prove, whom they suppress, and
the removal of the bodies, which hold addresses.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from rapport.audiences.recipients import RecipientKey
from rapport.delivery.event_effects import Effects, record
from rapport.delivery.sendgrid_events import Event, UnreadableBody, read_events

CHUNK_BYTES = 2 * 2**20
TRIES = 5
FAULTY_KEPT = timedelta(days=30)  # what could not be read may hold addresses
DRAIN_LOCK = 0x7261_7064  # "rapd": one drain at a time


@dataclass
class DrainCounts(Effects):
    """What a drain did. `faults` says which bodies cannot be read, and why."""

    bodies: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Effects) -> None:
        """Count what others did, too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def alarms(self) -> list[str]:
        """What a person should hear of (alerts.alarm)."""
        return self.surprises + self.faults


def drain(connection: psycopg.Connection, key: RecipientKey, now: datetime) -> DrainCounts:
    """Take in all bodies that were stored by now. Killed at any instant, the next call does the rest.

    The connection is in autocommit. Somebody else's drain is waited for, so that what was stored before this
    call has its effect when it returns.

    Args:
        now: when the messages that events prove were accepted count as accepted.

    Raises:
        RecipientKeyChanged: suppressions by address would be under another key than the recipients.
    """
    counts = DrainCounts()
    if not has_bodies(connection):
        return counts
    key.verify(connection)
    while _drain_chunk(connection, key, now, counts):
        pass
    connection.execute(
        "delete from activation.webhook_bodies where fault is not null and received_at < now() - %s",
        [FAULTY_KEPT],
    )
    return counts


def has_bodies(connection: psycopg.Connection) -> bool:
    """Whether there is anything to drain."""
    row = connection.execute(
        "select exists (select from activation.webhook_bodies where fault is null)"
    ).fetchone()
    return row is not None and bool(row[0])


def _drain_chunk(
    connection: psycopg.Connection, key: RecipientKey, now: datetime, counts: DrainCounts
) -> bool:
    """Drain some bodies; False where there was none."""
    ids = _next_bodies(connection)
    for body_ids in (ids, *([body_id] for body_id in ids)):
        if not body_ids:
            return False
        try:
            _drain_bodies(connection, key, now, body_ids, counts)
        except psycopg.DataError as error:
            # Whichever of them the database cannot take must not keep it from taking the others.
            if len(body_ids) == 1:
                fault = f"the database cannot take it ({type(error).__name__})"
                _keep_faulty(connection, body_ids[0], fault, counts)
            continue
        if body_ids is ids:
            break
    return True


def _drain_bodies(
    connection: psycopg.Connection,
    key: RecipientKey,
    now: datetime,
    body_ids: list[int],
    counts: DrainCounts,
) -> None:
    """Drain these bodies, as far as they are still there, in one transaction."""
    for tries_left in reversed(range(TRIES)):
        try:
            with connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", [DRAIN_LOCK])
                done = _take_in(connection, key, now, body_ids)
            break
        except psycopg.errors.DeadlockDetected:
            # A sender that settles locks the same messages.
            if not tries_left:
                raise
    counts.add(done)


def _next_bodies(connection: psycopg.Connection) -> list[int]:
    """The ids of the oldest bodies, as many as are not too much at once."""
    rows = connection.execute(
        """
        select body_id
        from (
            select body_id, sum(octet_length(body)) over (order by body_id) - octet_length(body) as before_it
            from (
                select body_id, body from activation.webhook_bodies
                where fault is null
                order by body_id
                limit 500
            ) as oldest
        ) as summed
        where before_it < %s
        """,
        [CHUNK_BYTES],
    ).fetchall()
    return [body_id for (body_id,) in rows]


def _take_in(
    connection: psycopg.Connection, key: RecipientKey, now: datetime, body_ids: list[int]
) -> DrainCounts:
    counts = DrainCounts()
    bodies = connection.execute(
        """
        select body_id, received_at, body from activation.webhook_bodies
        where body_id = any(%s) and fault is null
        order by body_id
        """,
        [body_ids],
        binary=True,
    ).fetchall()
    events: list[Event] = []
    for body_id, received_at, body in bodies:
        try:
            events.extend(read_events(body, received_at, key.key_of))
        except UnreadableBody as error:
            _keep_faulty(connection, body_id, str(error), counts)
        else:
            counts.bodies += 1
    if events:
        counts.add(record(connection, events, now))
    connection.execute(
        "delete from activation.webhook_bodies where body_id = any(%s) and fault is null", [body_ids]
    )
    return counts


def _keep_faulty(connection: psycopg.Connection, body_id: int, fault: str, counts: DrainCounts) -> None:
    connection.execute("update activation.webhook_bodies set fault = %s where body_id = %s", [fault, body_id])
    counts.faults.append(
        f"webhook body {body_id} cannot be read: {fault}; it is kept in activation.webhook_bodies"
    )
