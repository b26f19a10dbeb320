"""Who looked at whom and who took what away, the newest first, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

ROWS = 50


@dataclass(frozen=True)
class Look:
    """A row of `ops.page_audit`."""

    audit_id: int
    happened_at: datetime
    who: str
    role: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Looks:
    """A page of the audit; `next_before` is where the following one begins, None at the end."""

    rows: list[Look]
    next_before: int | None


def looks(
    connection: psycopg.Connection,
    *,
    who: str | None = None,
    subject: str | None = None,
    before: int | None = None,
    rows: int = ROWS,
) -> Looks:
    """What somebody did, or what was done to somebody or something, or all; before a row of the audit."""
    with connection.cursor(row_factory=class_row(Look)) as cursor:
        found = cursor.execute(
            """
            select audit_id, happened_at, who, role, action, subject, detail
            from ops.page_audit
            where
                (%(who)s::text is null or who = %(who)s)
                and (%(subject)s::text is null or subject = %(subject)s)
                and (%(before)s::bigint is null or audit_id < %(before)s)
            order by audit_id desc
            limit %(limit)s
            """,
            {"who": who, "subject": subject, "before": before, "limit": rows + 1},
        ).fetchall()
    return Looks(found[:rows], found[rows - 1].audit_id if len(found) > rows else None)
