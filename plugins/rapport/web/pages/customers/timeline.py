"""What happened with a customer, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import psycopg
from psycopg import sql
from psycopg.rows import class_row

PAGE = 30
KINDS = {
    "order": "Orders",
    "return": "Returns",
    "visit": "Visits",
    "ticket": "Tickets",
    "survey": "Answers",
    "email": "E-mails",
    "consent": "Consents",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Touch:
    """Something that happened."""

    touch_id: str
    happened_at: datetime
    kind: str
    source: str
    record_id: str
    detail: str | None
    title: str
    amount: Decimal | None
    currency: str | None


@dataclass(frozen=True)
class Timeline:
    """A page of touches by day (UTC); `after` asks for older ones, None where there are none."""

    days: list[tuple[date, list[Touch]]]
    kind: str | None
    after: str | None


def read(
    connection: psycopg.Connection,
    customer_id: str,
    *,
    masked: bool,
    kind: str | None = None,
    after: str | None = None,
) -> Timeline:
    """The touches that follow `after`, of one kind or of all. An `after` that we did not give begins anew."""
    schema, title = ("reporting", "heading") if masked else ("marts", "title")
    kind = kind if kind in KINDS else None
    happened_at, touch_id = _position(after)
    statement = sql.SQL(
        """
        select touch_id, happened_at, kind, source, record_id, detail, {title} as title, amount, currency
        from {timeline}
        where
            customer_id = %(customer)s
            and (%(kind)s::text is null or kind = %(kind)s)
            and (
                %(happened_at)s::timestamptz is null
                or (happened_at, touch_id) < (%(happened_at)s, %(touch_id)s)
            )
        order by happened_at desc, touch_id desc
        limit %(page)s
        """
    ).format(title=sql.Identifier(title), timeline=sql.Identifier(schema, "customer_timeline"))
    with connection.cursor(row_factory=class_row(Touch)) as cursor:
        touches = cursor.execute(
            statement,
            {
                "customer": customer_id,
                "kind": kind,
                "happened_at": happened_at,
                "touch_id": touch_id,
                "page": PAGE + 1,
            },
        ).fetchall()
    more = len(touches) > PAGE
    touches = touches[:PAGE]
    days = [(day, list(group)) for day, group in groupby(touches, key=lambda one: one.happened_at.date())]
    return Timeline(days, kind, _written(touches[-1]) if more else None)


def _written(touch: Touch) -> str:
    return f"{(touch.happened_at - _EPOCH) // timedelta(microseconds=1)}.{touch.touch_id}"


def _position(after: str | None) -> tuple[datetime | None, str | None]:
    microseconds, _, touch_id = (after or "").partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), touch_id
    except (ValueError, OverflowError):
        return None, None
