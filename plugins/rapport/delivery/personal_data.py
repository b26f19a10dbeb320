"""What a template is rendered with: customer, row in the segment, blocks, sender, unsubscribe link."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from jinja2 import nodes
from psycopg import sql
from psycopg.rows import dict_row

from rapport.campaigns.campaign import Campaign
from rapport.delivery.blocks import BLOCKS, read_blocks
from rapport.delivery.configuration import Sender
from rapport.delivery.rendering import TEXT
from rapport.delivery.unsubscribe import unsubscribe_token


class Recipient(NamedTuple):
    """Who a message goes to. `customer_id` is today's id, where the planned one was merged since."""

    message_id: UUID
    customer_id: str
    recipient_key: str
    email: str
    step: str
    variant: str
    voucher: str | None = None
    due_at: datetime | None = None


RECIPIENTS = """
select
    messages.message_id,
    coalesce(merges.customer_id, messages.customer_id),
    messages.recipient_key,
    recipients.email,
    coalesce(editions.step, ''),
    coalesce(messages.variant, ''),
    messages.voucher,
    messages.due_at
from activation.messages
inner join activation.editions using (edition_id)
inner join activation.recipients using (recipient_key)
left join identity.merges on messages.customer_id = merges.old_customer_id
"""


def recipients(connection: psycopg.Connection, message_ids: Sequence[UUID]) -> list[Recipient]:
    """The recipients of the messages, in the order of their message ids."""
    rows = connection.execute(
        f"{RECIPIENTS} where messages.message_id = any(%s) order by messages.message_id", [list(message_ids)]
    )
    return [Recipient(*row) for row in rows.fetchall()]


def contexts(
    connection: psycopg.Connection,
    campaign: Campaign,
    sender: Sender,
    secret: bytes,
    people: Sequence[Recipient],
) -> dict[UUID, dict[str, Any]]:
    """By message id, what its template is rendered with; plain data only.

    Somebody who has left the customer view, or the segment, gets an empty record: rendering then says so.
    """
    ids = list({person.customer_id for person in people})
    customers = _by_customer(connection, sql.Identifier("marts", "customers"), ids)
    members: dict[str, dict[str, Any]] = {}
    for segment in reversed(campaign.member_segments):
        members |= _by_customer(connection, sql.Identifier("segments", segment), ids)
    blocks = read_blocks(connection, blocks_used(tuple(campaign.sources.values())), ids)
    shop = sender.model_dump()
    return {
        person.message_id: {
            **{
                name: records.get(person.customer_id, [] if BLOCKS[name].is_list else None)
                for name, records in blocks.items()
            },
            "voucher": person.voucher,
            "customer": customers.get(person.customer_id, {}),
            "member": members.get(person.customer_id, {}),
            "sender": shop,
            "unsubscribe_url": unsubscribe_url(sender, secret, person.recipient_key, campaign.topic),
        }
        for person in people
    }


@lru_cache(maxsize=64)
def blocks_used(sources: tuple[str, ...]) -> frozenset[str]:
    """The blocks that templates name; no others are read."""
    names = {name.name for source in sources for name in TEXT.parse(source).find_all(nodes.Name)}
    return frozenset(names & BLOCKS.keys())


def unsubscribe_url(sender: Sender, secret: bytes, recipient_key: str, topic: str) -> str:
    """The address that ends this topic's mail to this recipient."""
    return f"{sender.unsubscribe_url.rstrip('/')}/{unsubscribe_token(secret, recipient_key, topic)}"


def _by_customer(
    connection: psycopg.Connection, relation: sql.Identifier, ids: list[str]
) -> dict[str, dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        query = sql.SQL("select * from {} where customer_id = any(%s)").format(relation)
        return {row["customer_id"]: row for row in cursor.execute(query, [ids]).fetchall()}
