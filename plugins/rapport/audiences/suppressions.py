"""Who gets no more mail: writing it down, counting it, and taking over the lists that SendGrid keeps.

Rows are only ever added. What lifts a suppression is a consent confirmed later (audiences/recipients.py).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from rapport.audiences.recipients import RecipientKey

# What SendGrid would not deliver to. `blocks` is not among them: those addresses are good.
LISTS = ("bounces", "spam_reports", "unsubscribes", "invalid_emails")
PAGE = 500  # the largest that SendGrid gives
OVERLAP = timedelta(days=1)

# Takes the path below /v3 and the query, gives the JSON of the answer.
Read = Callable[[str, Mapping[str, int]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Pulled:
    """What a pull of one list gave: how many entries it has since the last one, how many were new to us."""

    list: str
    entries: int
    added: int


def suppress(
    connection: psycopg.Connection,
    recipient_key: str,
    topic: str,
    reason: str,
    at: datetime,
    detail: str | None = None,
) -> bool:
    """Give the recipient no more mail about the topic, or `all`; False where that stands there already."""
    return bool(
        connection.execute(
            """
            insert into activation.suppressions (recipient_key, topic, reason, suppressed_at, detail)
            values (%s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            [recipient_key, topic, reason, at, detail],
        ).rowcount
    )


def suppression_counts(connection: psycopg.Connection) -> list[tuple[str, str, int]]:
    """(topic, reason, how many recipients), the largest first."""
    return connection.execute(
        """
        select topic, reason, count(distinct recipient_key)
        from activation.suppressions
        group by topic, reason
        order by 3 desc, topic, reason
        """
    ).fetchall()


def first_pull_done(connection: psycopg.Connection) -> bool:
    """Whether all of SendGrid's lists were taken over at least once; no real mail leaves before."""
    row = connection.execute(
        "select count(distinct list) from activation.suppression_pulls where list = any(%s)", [list(LISTS)]
    ).fetchone()
    return row is not None and row[0] == len(LISTS)


def pull(connection: psycopg.Connection, key: RecipientKey, read: Read, now: datetime) -> list[Pulled]:
    """Take over what was added to SendGrid's lists since the last pull; webhooks may have lost some of it.

    The connection is in autocommit; each list is a transaction: a pull that breaks off keeps what it has.

    Raises:
        RecipientKeyChanged: this is not the key that the warehouse's recipients were made with.
        whatever `read` raises.
    """
    key.verify(connection)
    return [_pull_list(connection, key, read, name, now) for name in LISTS]


def _pull_list(
    connection: psycopg.Connection, key: RecipientKey, read: Read, name: str, now: datetime
) -> Pulled:
    row = connection.execute(
        "select max(until_time) from activation.suppression_pulls where list = %s", [name]
    ).fetchone()
    since = row[0] - OVERLAP if row and row[0] else datetime.fromtimestamp(0, UTC)
    entries = {
        (key.key_of(entry["email"]), _created(entry, now))
        for entry in _entries(read, name, since, now)
        if entry.get("email")
    }
    with connection.transaction():
        before = _suppressed_by(connection, name)
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into activation.suppressions (recipient_key, topic, reason, suppressed_at, detail)
                values (%s, 'all', 'provider', %s, %s)
                on conflict do nothing
                """,
                [(recipient_key, created, name) for recipient_key, created in sorted(entries)],
            )
        added = _suppressed_by(connection, name) - before
        connection.execute(
            """
            insert into activation.suppression_pulls (list, pulled_at, until_time, entries, added)
            values (%s, %s, %s, %s, %s)
            """,
            [name, now, now, len(entries), added],
        )
    return Pulled(name, len(entries), added)


def _entries(read: Read, name: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """All entries of a list that were made in the time, page by page."""
    offset = 0
    while True:
        query = {
            "start_time": int(since.timestamp()),
            "end_time": int(until.timestamp()),
            "limit": PAGE,
            "offset": offset,
        }
        page = read(f"suppression/{name}", query)
        yield from page
        offset += len(page)
        if len(page) < PAGE:
            return


def _created(entry: Mapping[str, Any], now: datetime) -> datetime:
    try:
        created = datetime.fromtimestamp(int(entry["created"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return now
    return min(created, now)


def _suppressed_by(connection: psycopg.Connection, name: str) -> int:
    row = connection.execute(
        "select count(*) from activation.suppressions where reason = 'provider' and detail = %s", [name]
    ).fetchone()
    assert row is not None
    return int(row[0])
