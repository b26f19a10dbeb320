"""How fast mails leave: tokens that all senders of a transport share, and the pauses that it asked for."""

from datetime import datetime

import psycopg


def take(connection: psycopg.Connection, transport: str, wanted: int, per_second: float) -> tuple[int, float]:
    """Take up to `wanted` tokens, one a mail; without any, how many seconds to wait before asking again."""
    row = connection.execute(
        "select granted, wait_seconds from activation.take_tokens(%s, %s, %s)",
        [transport, wanted, per_second],
    ).fetchone()
    assert row is not None
    return int(row[0]), float(row[1])


def block(connection: psycopg.Connection, transport: str, until: datetime) -> None:
    """Let no sender of the transport take tokens before `until`, because it asked for that."""
    connection.execute(
        """
        insert into activation.send_rate (transport, tokens, refilled_at, blocked_until)
        values (%(transport)s, 0, clock_timestamp(), %(until)s)
        on conflict (transport) do update
        set blocked_until = greatest(send_rate.blocked_until, excluded.blocked_until)
        """,
        {"transport": transport, "until": until},
    )


def count_failures(connection: psycopg.Connection, transport: str, failed: int, answered: int) -> int:
    """Note how requests ended; returns how many in a row got no answer that anybody understood."""
    row = connection.execute(
        """
        insert into activation.send_rate (transport, tokens, refilled_at, failures)
        values (%(transport)s, 0, clock_timestamp(), %(failed)s)
        on conflict (transport) do update
        set failures = case when %(answered)s > 0 then 0 else send_rate.failures end + %(failed)s
        returning failures
        """,
        {"transport": transport, "failed": failed, "answered": answered},
    ).fetchone()
    assert row is not None
    return int(row[0])
