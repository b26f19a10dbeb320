"""An edition's due messages, chunk by chunk, and their mails."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import args_row

from rapport.delivery.configuration import Delivery
from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail
from rapport.delivery.open_tracking import who_may_be_seen
from rapport.delivery.personal_data import RECIPIENTS, Recipient, contexts

if TYPE_CHECKING:
    from rapport.delivery.editions import Edition

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """Which share of the messages one of several processes renders; the claim decides who sends them."""

    number: int = 0
    of: int = 1

    def keys(self, key_id: str) -> tuple[str | None, str | None]:
        """From which recipient key on, and up to which: they are evenly spread behind the id of their key."""
        ends = [f"{key_id}_{2**32 * place // self.of:08x}" for place in (self.number, self.number + 1)]
        return ends[0] if self.number else None, ends[1] if self.number + 1 < self.of else None


def due_messages(
    connection: psycopg.Connection,
    edition_id: str,
    keys: tuple[str | None, str | None],
    size: int,
    moment: Callable[[], datetime],
    domains: Sequence[str] = (),
) -> Iterator[list[Recipient]]:
    """Chunks of planned messages that are due, earliest first; what is not claimed does not come again.

    Args:
        keys: from which recipient key on, and up to which (`Worker.keys`).
        domains: who has an address elsewhere waits; none: nobody does.
    """
    after: tuple[datetime | None, str] = (datetime.min.replace(tzinfo=moment().tzinfo), "")
    first, end = keys
    # In the index, where an `or` would not be.
    share = "and messages.recipient_key >= %(first)s" if first else ""
    share += " and messages.recipient_key < %(end)s" if end else ""
    query = f"{RECIPIENTS} {_DUE.format(share=share)}"
    cursor = connection.cursor(row_factory=args_row(Recipient))
    while True:
        rows = cursor.execute(
            query,
            {
                "edition": edition_id,
                "moment": moment(),
                "due_at": after[0],
                "key": after[1],
                "size": size,
                "first": first,
                "end": end,
                "domains": [domain.lower() for domain in domains],
            },
        ).fetchall()
        if not rows:
            return
        after = rows[-1].due_at, rows[-1].recipient_key
        yield rows


_DUE = """
where
    messages.edition_id = %(edition)s
    and messages.claimed_at is null
    and messages.state_reason is null
    and messages.state = 'planned'
    and messages.due_at <= %(moment)s
    and (messages.due_at, messages.recipient_key) > (%(due_at)s, %(key)s)
    {share}
    and (
        cardinality(%(domains)s::text[]) = 0
        or split_part(lower(recipients.email), '@', 2) = any(%(domains)s::text[])
    )
order by messages.due_at, messages.recipient_key
limit %(size)s
"""


def render(
    connection: psycopg.Connection,
    edition: "Edition",
    secret: bytes,
    delivery: Delivery,
    due: Sequence[Recipient],
    *,
    shapes: bool,
) -> tuple[list[Mail], int]:
    """The mails of the messages, and how many were skipped because they do not render.

    `shapes`: they are taken apart, for requests of many.
    """
    data = contexts(connection, edition.campaign, edition.sender, secret, due)
    keys = [person.recipient_key for person in due]
    seen = who_may_be_seen(connection, delivery, keys, datetime.now(UTC))
    mails, faulty = [], []
    for person in due:
        context = data[person.message_id]
        template = edition.templates[person.step, person.variant]
        try:
            rendered = template.shape(context) if shapes else template.render(context)
        except RenderError as error:
            log.warning("message %s of edition %s: %s", person.message_id, edition.edition_id, error)
            faulty.append(person.message_id)
            continue
        mails.append(
            Mail(
                message_id=person.message_id,
                recipient=person.email,
                sender=edition.sender,
                rendered=rendered,
                unsubscribe_url=context["unsubscribe_url"],
                due_at=edition.due_at,
                tracks_opens=person.recipient_key in seen,
            )
        )
    if faulty:
        connection.execute(
            """
            update activation.messages set state = 'skipped', state_reason = 'render_error'
            where message_id = any(%s) and state = 'planned'
            """,
            [faulty],
        )
    return mails, len(faulty)
