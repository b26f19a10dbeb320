"""For whom of its candidates an edition is meant, why not for the others, and whose address has consent."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns import recipient_hours
from rapport.campaigns.matching import reason_not_meant

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

# Joined by address and topic wherever it is asked: a few candidates look theirs up, a million are hashed.
CONSENT = """
    {email} = consents.email
    and consents.channel = 'email'
    and consents.topic = %(topic)s
    and consents.is_granted
    and (not %(double_opt_in)s or consents.confirmed_at is not null)
    and (consents.expires_at is null or consents.expires_at > %(slot_at)s)
"""

_MEANT = """
insert into meant
select
    subject.customer_id,
    subject.entered_at,
    subject.base_at,
    {zone},
    customers.email,
    consents.email is not null,
    consents.confirmed_at,
    greatest({last_active_at}, consents.granted_at),
    case when subject.is_late then 'too_late' else {not_meant} end
from (select *, {since} as since, %(edition)s::text as edition_id from candidates) as subject
left join {customers} as customers on subject.customer_id = customers.customer_id
left join {consents} as consents on """ + CONSENT.replace("{email}", "customers.email")


def fill(connection: psycopg.Connection, edition: "EditionPlan", parameters: dict[str, Any]) -> None:
    """Put all candidates into the temporary table `meant`, with the reason against them, if there is one."""
    tables = edition.tables.named()
    not_meant, values = reason_not_meant(edition.campaign, edition.columns, edition.tables)
    since = "entered_at" if edition.campaign.trigger.entering else "null::timestamptz"
    statement = sql.SQL(_MEANT).format(
        not_meant=not_meant,
        since=sql.SQL(since),
        zone=recipient_hours.zone_sql(edition.campaign),
        last_active_at=_last_active(edition, tables),
        **tables,
    )
    connection.execute(statement, parameters | values)
    connection.execute("analyze meant")


def _last_active(edition: "EditionPlan", tables: Mapping[str, sql.Composable]) -> sql.Composable:
    """When the row `customers` last bought, came or clicked; null, unread, where there is no sunset rule."""
    if edition.delivery.sunset_after is None:
        return sql.SQL("null::timestamptz")
    return sql.SQL(
        """
        greatest(customers.last_order_at, customers.last_seen_at, (
            select max(message_events.occurred_at)
            from {messages} as messages
            inner join activation.message_events on messages.message_id = message_events.message_id
            where
                messages.customer_id = subject.customer_id
                and message_events.event = 'clicked'
                and message_events.occurred_at <= %(moment)s
        ))
        """
    ).format(**tables)
