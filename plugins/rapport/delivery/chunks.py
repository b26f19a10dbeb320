"""An edition's due messages, chunk by chunk, and their mails."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import psycopg

from rapport.delivery.configuration import Delivery
from rapport.delivery.faults import RenderError
from rapport.delivery.mime import Mail
from rapport.delivery.open_tracking import who_may_be_seen
from rapport.delivery.personal_data import contexts, recipients

if TYPE_CHECKING:
    from rapport.delivery.outbox import Edition

log = logging.getLogger(__name__)


class Due(NamedTuple):
    """A message that may be sent now."""

    message_id: UUID
    recipient_key: str
    due_at: datetime


@dataclass(frozen=True)
class Worker:
    """Which share of the messages one of several processes renders; the claim decides who sends them."""

    number: int = 0
    of: int = 1


def due_messages(
    connection: psycopg.Connection,
    edition_id: str,
    worker: Worker,
    size: int,
    moment: Callable[[], datetime],
    domains: Sequence[str] = (),
) -> Iterator[list[Due]]:
    """Chunks of planned messages that are due, earliest first; what is not claimed does not come again.

    Args:
        domains: who has an address elsewhere waits; none: nobody does.
    """
    after = (datetime.min.replace(tzinfo=moment().tzinfo), "")
    while True:
        rows = connection.execute(
            """
            select message_id, recipient_key, due_at
            from activation.messages
            where
                edition_id = %(edition)s
                and claimed_at is null
                and state_reason is null
                and state = 'planned'
                and due_at <= %(moment)s
                and (due_at, recipient_key) > (%(due_at)s, %(key)s)
                and (%(of)s = 1 or abs(hashtext(recipient_key)::bigint) %% %(of)s = %(number)s)
                and (
                    cardinality(%(domains)s::text[]) = 0
                    or exists (
                        select from activation.recipients
                        where
                            recipients.recipient_key = messages.recipient_key
                            and split_part(lower(recipients.email), '@', 2) = any(%(domains)s::text[])
                    )
                )
            order by due_at, recipient_key
            limit %(size)s
            """,
            {
                "edition": edition_id,
                "moment": moment(),
                "due_at": after[0],
                "key": after[1],
                "size": size,
                "of": worker.of,
                "number": worker.number,
                "domains": [domain.lower() for domain in domains],
            },
        ).fetchall()
        if not rows:
            return
        due = [Due(*row) for row in rows]
        after = due[-1].due_at, due[-1].recipient_key
        yield due


def render(
    connection: psycopg.Connection,
    edition: "Edition",
    secret: bytes,
    delivery: Delivery,
    due: Sequence[Due],
    *,
    shapes: bool,
) -> tuple[list[Mail], int]:
    """The mails of the messages, and how many were skipped because they do not render.

    `shapes`: they are taken apart, for requests of many.
    """
    people = recipients(connection, [one.message_id for one in due])
    data = contexts(connection, edition.campaign, edition.sender, secret, people)
    keys = [person.recipient_key for person in people]
    seen = who_may_be_seen(connection, delivery, keys, datetime.now(UTC))
    mails, faulty = [], []
    for person in people:
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
