"""What was loaded, row by row: the newest version of each record, and whom a row names."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd
import psycopg

Row = dict[str, Any]
Owners = dict[tuple[str, str, str], str]

IDENTITY = {
    "customer_number": "customer_number",
    "email": "email",
    "phone": "phone",
    "contact_id": "contact",
    "anonymous_id": "device",
}
# Stream: key, what orders its versions, when it was said.
STREAMS: dict[str, tuple[list[str], list[str], str]] = {
    "contacts": (["contact_id"], ["updated_at"], "updated_at"),
    "orders": (["order_id"], ["updated_at"], "ordered_at"),
    "order_lines": (["order_id", "line_id"], [], "ordered_at"),
    "refunds": (["refund_id"], [], "refunded_at"),
    "web_events": (["event_id"], [], "occurred_at"),
    "ticket_versions": (["ticket_id"], ["updated_at", "version"], "updated_at"),
    "ticket_events": (["event_id"], [], "occurred_at"),
    "survey_responses": (["response_id"], [], "responded_at"),
    "consents": (["consent_id"], [], "decided_at"),
}


def frame(url: str, query: str) -> pd.DataFrame:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(query)  # type: ignore[call-overload]
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names, dtype=object)


def owners(url: str) -> Owners:
    """(kind, source, value) → customer."""
    rows = frame(url, "select kind, source, value, customer_id from identity.identifiers")
    return {(kind, source, value): customer for kind, source, value, customer in rows.to_numpy()}


def identifiers(row: Row) -> Iterator[tuple[str, str, str]]:
    """Those that a row shows, the one that counts most first."""
    for column, kind in IDENTITY.items():
        value = (row.get(column) or "").strip()
        if value:
            source = row["source"] if kind in ("customer_number", "contact") else ""
            yield kind, source, value.lower() if kind == "email" else value


def owner(row: Row, owners: Owners) -> str | None:
    return next((owners[named] for named in identifiers(row) if named in owners), None)


def rows(url: str, stream: str, as_of: datetime) -> list[Row]:
    """Every row of a stream that was said, and changed, before `as_of`."""
    _, versions, said_at = STREAMS[stream]
    times = [said_at] + [name for name in versions if name.endswith("_at")]
    return [
        row
        for row in frame(url, f"select * from raw.{stream}").to_dict("records")
        if all(row[name] is None or row[name] < as_of for name in times)
    ]


def newest(url: str, stream: str, as_of: datetime) -> list[Row]:
    """Of each record the version that counts, those that were deleted left out."""
    key, versions, said_at = STREAMS[stream]
    found: dict[tuple[Any, ...], tuple[list[Any], Row]] = {}
    for row in rows(url, stream, as_of):
        place = tuple(row[name] for name in ("source", *key))
        age = [row[name] or row[said_at] for name in versions] + [row["batch_id"], row["line_number"]]
        if place not in found or age > found[place][0]:
            found[place] = (age, row)
    return [row for _, row in found.values() if not row["is_deleted"]]
