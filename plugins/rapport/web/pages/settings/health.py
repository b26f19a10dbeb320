"""Whether sending is in order, as the warehouse last saw it: probe, events, pulls, digests, held feeds."""

from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.rows import class_row

STRAY_DAYS = 30


@dataclass(frozen=True)
class Check:
    """The last outcome of a check of `rapport delivery doctor`; None where it could not tell or never ran."""

    name: str
    checked_at: datetime | None
    is_ok: bool | None
    detail: str


@dataclass(frozen=True)
class Probe:
    """The newest `rapport delivery probe`."""

    sender: str
    sent_at: datetime
    proven_at: datetime | None
    valid_until: datetime | None
    faults: int


@dataclass(frozen=True)
class Webhook:
    """What SendGrid's events are doing. `waiting` bodies were signed and stored, and are not read yet."""

    last_event_at: datetime | None
    last_request_at: datetime | None
    waiting: int
    oldest_waiting_at: datetime | None
    faulty: int
    stray: int


@dataclass(frozen=True)
class Pull:
    """The newest pull of one of SendGrid's suppression lists."""

    list: str
    pulled_at: datetime
    entries: int
    added: int


@dataclass(frozen=True)
class SentDigest:
    """A day's digest: how many have it, how many do not, and why."""

    sent_for: date
    run_id: int | None
    transport: str
    sent: int
    missing: int
    faults: list[str]


def probe(connection: psycopg.Connection) -> Probe | None:
    """The newest one, or None."""
    with connection.cursor(row_factory=class_row(Probe)) as cursor:
        return cursor.execute(
            """
            select
                sender, sent_at, proven_at, valid_until,
                case jsonb_typeof(faults) when 'array' then jsonb_array_length(faults) else 0 end as faults
            from activation.probes order by sent_at desc limit 1
            """
        ).fetchone()


def webhook(connection: psycopg.Connection) -> Webhook:
    """How events come in."""
    with connection.cursor(row_factory=class_row(Webhook)) as cursor:
        found = cursor.execute(
            """
            with bodies as (
                select
                    count(*) filter (where fault is null) as waiting,
                    min(received_at) filter (where fault is null) as oldest_waiting_at,
                    count(*) filter (where fault is not null) as faulty
                from (select fault, received_at from activation.webhook_bodies limit 10000) as newest
            ),

            requests as (
                select requested_at from activation.attempts
                where transport = 'sendgrid' and requested_at is not null
                order by attempt_id desc
                limit 1
            )

            select
                (select max(recorded_at) from activation.message_events) as last_event_at,
                (select requested_at from requests) as last_request_at,
                bodies.waiting, bodies.oldest_waiting_at, bodies.faulty,
                (
                    select count(*) from activation.stray_events
                    where recorded_at > now() - make_interval(days => %s)
                ) as stray
            from bodies
            """,
            [STRAY_DAYS],
        ).fetchone()
    assert found is not None
    return found


def pulls(connection: psycopg.Connection) -> list[Pull]:
    """The newest pull of each list."""
    with connection.cursor(row_factory=class_row(Pull)) as cursor:
        return cursor.execute(
            """
            select distinct on (list) list, pulled_at, entries, added
            from activation.suppression_pulls
            order by list, pull_id desc
            """
        ).fetchall()


def digests(connection: psycopg.Connection, days: int = 7) -> list[SentDigest]:
    """The last days' digests, the newest first."""
    with connection.cursor(row_factory=class_row(SentDigest)) as cursor:
        return cursor.execute(
            """
            select
                sent_for, max(run_id) as run_id, max(transport) as transport,
                count(sent_at) as sent,
                count(*) - count(sent_at) as missing,
                coalesce(array_agg(distinct fault) filter (where fault is not null), '{}') as faults
            from ops.digests
            group by sent_for
            order by sent_for desc
            limit %s
            """,
            [days],
        ).fetchall()
