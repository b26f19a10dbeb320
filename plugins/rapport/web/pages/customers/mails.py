"""Which mails a customer got and did not get, and what each campaign would do with them next."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from rapport import ledger
from rapport.campaigns.outlook import Outlook, outlook
from rapport.settings import Settings

PAGE = 15
# What a state means to a reader: how it went, in a word and a tone.
_STATES = {
    "planned": ("to come", ""),
    "sending": ("on its way", ""),
    "accepted": ("sent", "good"),
    "skipped": ("not sent", "plain"),
    "expired": ("not sent", "plain"),
    "cancelled": ("not sent", "plain"),
    "rejected": ("refused", "bad"),
    "uncertain": ("unclear", ""),
    "unknown": ("unclear", ""),
}


@dataclass(frozen=True)
class Message:
    """A message of an edition and what became of it."""

    message_id: UUID
    campaign: str
    edition_id: str
    step: str | None
    variant: str | None
    state: str
    what_became_of_it: str
    due_at: datetime
    accepted_at: datetime | None
    delivery: str | None
    first_clicked_at: datetime | None
    unsubscribed_at: datetime | None
    complained_at: datetime | None

    @property
    def word(self) -> str:
        if self.complained_at or self.delivery == "complained":
            return "reported as spam"
        if self.delivery in ("bounced", "dropped"):
            return self.delivery
        if self.first_clicked_at:
            return "clicked"
        if self.delivery == "delivered":
            return "delivered"
        return _STATES.get(self.state, (self.state, ""))[0]

    @property
    def tone(self) -> str:
        if self.complained_at or self.delivery in ("bounced", "dropped", "complained"):
            return "bad"
        return _STATES.get(self.state, ("", ""))[1]


@dataclass(frozen=True)
class History:
    """Some messages, the newest first; `after` asks for older ones, None where there are none."""

    messages: list[Message]
    after: str | None


def history(
    connection: psycopg.Connection, customer_id: str, *, masked: bool, after: str | None = None
) -> History:
    """What they got and did not get, by when it was due. An `after` that is not theirs begins anew."""
    table = sql.Identifier("reporting" if masked else "marts", "message_history")
    statement = sql.SQL(
        """
        with own as materialized (
            select * from {history} where customer_id = %(customer)s
        ),

        last_shown as (select due_at, message_id from own where message_id::text = %(after)s)

        select
            message_id, campaign, edition_id, step, variant, state, what_became_of_it, due_at, accepted_at,
            delivery, first_clicked_at, unsubscribed_at, complained_at
        from own
        where
            not exists (select from last_shown)
            or (due_at, message_id) < (select due_at, message_id from last_shown)
        order by due_at desc, message_id desc
        limit %(page)s
        """
    ).format(history=table)
    with connection.cursor(row_factory=class_row(Message)) as cursor:
        found = cursor.execute(
            statement, {"customer": customer_id, "after": after, "page": PAGE + 1}
        ).fetchall()
    shown = found[:PAGE]
    return History(shown, str(shown[-1].message_id) if len(found) > PAGE else None)


def next_mails(
    connection: psycopg.Connection, settings: Settings, customer_id: str
) -> tuple[datetime | None, list[Outlook]]:
    """As of when the customer view was taken, and what each campaign would do next as of then."""
    view = ledger.newest_view(connection)
    if view is None:
        return None, []
    return view.as_of, outlook(connection, settings, customer_id, view.as_of)
