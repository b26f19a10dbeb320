"""`rapport erase`: what Rapport's own tables know of an address goes; that it gets no mail stays."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from rapport.alerts import alarm
from rapport.audiences.recipients import RecipientKey, normal_form
from rapport.audiences.suppressions import suppress
from rapport.delivery.events import drain

ELSEWHERE = (
    "raw and marts: have the person deleted where the data comes from; raw tables, rejected rows and kept "
    "files of Rapport hold what was loaded before (docs/operating.md, Erasing somebody)",
    "SendGrid: POST /v3/recipients/erasejob with the address erases it there",
    "backups, and mails that were delivered",
)


@dataclass(frozen=True)
class Erased:
    """How much was erased; `was_known` says whether the address was a recipient at all."""

    was_known: bool
    cancelled: int
    events: int
    bodies: int
    mails: int


def erase(
    connection: psycopg.Connection, key: RecipientKey, address: str, now: datetime, mailbox: Path
) -> Erased:
    """Forget an address. Its key stays, suppressed for all topics: it must never get mail by a later import.

    Messages stay with their states, for the counts; what is planned is cancelled. The connection is in
    autocommit.

    Raises:
        RecipientKeyChanged: this is not the key that the warehouse's recipients were made with.
    """
    key.verify(connection)
    alarm(drain(connection, key, now).alarms, None)  # what waits there may hold the address
    recipient_key = key.key_of(address)
    with connection.transaction():
        was_known = connection.execute(
            "update activation.recipients set email = null where recipient_key = %s and email is not null",
            [recipient_key],
        ).rowcount
        known = connection.execute(
            "select from activation.suppressions where recipient_key = %s and reason = 'erased'",
            [recipient_key],
        ).fetchone()
        if was_known or known is None:
            suppress(connection, recipient_key, "all", "erased", now)
        cancelled = connection.execute(
            """
            update activation.messages set state = 'cancelled', state_reason = 'erased'
            where recipient_key = %s and state = 'planned'
            """,
            [recipient_key],
        ).rowcount
        events = _erase_events(connection, recipient_key)
        bodies = _erase_bodies(connection, address)
    mails = _erase_mails(connection, recipient_key, mailbox)
    return Erased(bool(was_known), cancelled, events, bodies, mails)


def _erase_events(connection: psycopg.Connection, recipient_key: str) -> int:
    """Servers name the address in what they say. Events that were told apart by that alone become one."""
    of_recipient = """
        message_events.message_id in (
            select message_id from activation.messages where recipient_key = %(key)s
        )
    """
    connection.execute(
        f"""
        delete from activation.message_events
        using activation.message_events as first
        where
            {of_recipient}
            and message_events.message_id = first.message_id
            and message_events.event = first.event
            and message_events.occurred_at = first.occurred_at
            and first.ctid < message_events.ctid
        """,
        {"key": recipient_key},
    )
    return connection.execute(
        f"""
        update activation.message_events set detail = null, user_agent = null
        where {of_recipient} and (detail is not null or user_agent is not null)
        """,
        {"key": recipient_key},
    ).rowcount


def _erase_bodies(connection: psycopg.Connection, address: str) -> int:
    """Bodies that could not be read are kept; those that name the address go."""
    spellings = {address.strip().lower(), normal_form(address)}
    rows = connection.execute("select body_id, body from activation.webhook_bodies where fault is not null")
    with_address = [
        body_id
        for body_id, body in rows
        if any(spelling in bytes(body).decode("utf-8", "replace").lower() for spelling in spellings)
    ]
    return connection.execute(
        "delete from activation.webhook_bodies where body_id = any(%s)", [with_address]
    ).rowcount


def _erase_mails(connection: psycopg.Connection, recipient_key: str, mailbox: Path) -> int:
    """Mails in the local mailbox; a mail reader may have moved and marked them."""
    ids = connection.execute(
        "select message_id from activation.messages where recipient_key = %s", [recipient_key]
    ).fetchall()
    mails = [
        path
        for (message_id,) in ids
        for folder in ("new", "cur", "tmp")
        for path in (mailbox / folder).glob(f"{message_id}*")
    ]
    for path in mails:
        path.unlink(missing_ok=True)
    return len(mails)
