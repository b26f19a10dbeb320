"""What becomes of messages whose sender died, of what nobody knows about, and of editions that must stop."""

from datetime import datetime, timedelta

import psycopg

from rapport.delivery.attempts import Ended, Outcome, end
from rapport.delivery.transports import KINDS, Transport

TOLERATED_ERRORS = 5  # and one in a thousand; beyond both the edition is held
SENDER_LOCK = 0x7261_7073  # "raps": each sender holds (this, its number) for as long as it lives
ANSWERED_BY = timedelta(minutes=5)  # the longest that a request can take, and a margin
EVIDENCE_BY = timedelta(hours=1)

_LEFT_BEHIND = """
select attempts.attempt_id, attempts.transport, attempts.requested_at is not null as has_left
from activation.attempts
where
    attempts.ended_at is null
    and (
        coalesce(attempts.requested_at, attempts.claimed_at) < clock_timestamp() - %(answered_by)s
        or not exists (
            select from pg_locks
            where
                pg_locks.locktype = 'advisory'
                and pg_locks.database = (select oid from pg_database where datname = current_database())
                and pg_locks.classid = %(sender_lock)s
                and pg_locks.objid = attempts.sender
                and pg_locks.objsubid = 2
        )
    )
"""


def anything_left_behind(connection: psycopg.Connection) -> bool:
    """Whether a sender died or stands still with attempts in its hands."""
    row = connection.execute(f"select exists ({_LEFT_BEHIND})", _PARAMETERS).fetchone()
    return row is not None and bool(row[0])


def settle(connection: psycopg.Connection, local: Transport | None, moment: datetime) -> int:
    """Decide what senders left that died or stand still; returns how many messages turned out to be sent.

    What had not left is planned again. Of the rest the local mailbox knows which mails it has; over SMTP
    nobody ever will, and over SendGrid events may tell.

    Args:
        local: the local mailbox, where attempts of it are to be settled.
        moment: as of which it sends.
    """
    sent = 0
    with connection.transaction():
        rows = connection.execute(
            f"{_LEFT_BEHIND} order by attempts.attempt_id for update of attempts skip locked", _PARAMETERS
        ).fetchall()
        ended = []
        for attempt_id, transport, has_left in rows:
            is_idempotent, has_events = KINDS[transport]
            if not has_left:
                ended.append(Ended(attempt_id, "returned", detail="its sender stopped before the request"))
            elif is_idempotent and local is not None:
                held = _held(connection, attempt_id, local)
                sent += len(held)
                others: dict = dict.fromkeys(held, ("accepted", None))
                ended.append(Ended(attempt_id, "returned", detail="its sender stopped", others=others))
            elif not is_idempotent:
                outcome: Outcome = "uncertain" if has_events else "unknown"
                ended.append(Ended(attempt_id, outcome, detail="its sender stopped after the request"))
        if ended:
            end(connection, ended, at=moment if local is not None else None)
    return sent


def give_up_waiting(connection: psycopg.Connection) -> int:
    """Make `unknown` of what is uncertain for an hour while events of others came; how many messages it was.

    An event that comes later still makes it accepted.
    """
    with connection.transaction():
        connection.execute(
            """
            update activation.attempts set outcome = 'accepted'
            where
                outcome = 'uncertain'
                and not exists (
                    select from activation.messages
                    where messages.attempt_id = attempts.attempt_id and messages.state = 'uncertain'
                )
                and exists (
                    select from activation.messages
                    where messages.attempt_id = attempts.attempt_id and messages.state = 'accepted'
                )
            """
        )
        row = connection.execute(
            f"""
            with given_up as (
                update activation.attempts set outcome = 'unknown'
                where attempt_id in ({_WITHOUT_EVIDENCE})
                returning attempt_id
            ),

            unknown as (
                update activation.messages set state = 'unknown'
                where attempt_id = any(array(select attempt_id from given_up)) and state = 'uncertain'
                returning message_id
            )

            select count(*) from unknown
            """,
            {"evidence_by": EVIDENCE_BY},
        ).fetchone()
    return int(row[0]) if row else 0


def anything_to_give_up(connection: psycopg.Connection) -> bool:
    """Whether something is uncertain for so long that nobody will know any more."""
    row = connection.execute(f"select exists ({_WITHOUT_EVIDENCE})", {"evidence_by": EVIDENCE_BY}).fetchone()
    return row is not None and bool(row[0])


def hold(connection: psycopg.Connection, edition_id: str, reason: str) -> None:
    """Stop an edition; the next run plans it afresh while its slot is current."""
    connection.execute(
        "update activation.editions set state = 'held', state_reason = %s where edition_id = %s",
        [reason, edition_id],
    )


def hold_campaign(connection: psycopg.Connection, campaign: str, reason: str) -> None:
    """Stop a campaign until a person resumes it, because what it sends is refused or complained about."""
    reason = f"sending: {reason}"
    with connection.transaction():
        connection.execute(
            """
            insert into activation.pauses (campaign, paused_by, reason) values (%s, 'rapport', %s)
            on conflict (campaign) where resumed_at is null do nothing
            """,
            [campaign, reason],
        )
        connection.execute(
            """
            update activation.editions set state = 'held', state_reason = %s
            where campaign = %s and state in ('approved', 'sending')
            """,
            [reason, campaign],
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
            and state = 'sending'
            and tried.errors > %(tolerated)s
            and tried.errors * 1000 > tried.messages
        returning edition_id
        """,
        {"edition": edition_id, "tolerated": TOLERATED_ERRORS},
    ).fetchone()
    return row is not None


def expire(
    connection: psycopg.Connection, edition_id: str, expires_after: timedelta, moment: datetime
) -> int:
    """Drop what of the edition is planned and too late by now; how many messages that was."""
    return connection.execute(
        """
        update activation.messages set state = 'expired', state_reason = 'too_late'
        where
            edition_id = %(edition)s
            and state = 'planned'
            and due_at < %(moment)s
            and coalesce(expires_at, due_at + %(expires_after)s) < %(moment)s
        """,
        {"edition": edition_id, "expires_after": expires_after, "moment": moment},
    ).rowcount


def _held(connection: psycopg.Connection, attempt_id: int, local: Transport) -> list:
    rows = connection.execute(
        "select message_id from activation.messages where attempt_id = %s and state = 'sending'", [attempt_id]
    )
    return [row[0] for row in rows if local.holds(row[0])]


_PARAMETERS = {"answered_by": ANSWERED_BY, "sender_lock": SENDER_LOCK}

_WITHOUT_EVIDENCE = """
    select attempts.attempt_id
    from activation.attempts
    where
        attempts.outcome = 'uncertain'
        and attempts.ended_at < clock_timestamp() - %(evidence_by)s
        and exists (
            select from activation.message_events
            where
                message_events.recorded_at > attempts.ended_at
                and message_events.attempt_id is distinct from attempts.attempt_id
        )
"""
