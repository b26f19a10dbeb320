"""At which of a customer's addresses they may be written to, and when it is their hour."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns import recipient_hours
from rapport.campaigns.meant import CONSENT

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

_ADDRESSED = (
    """
insert into addressed
-- Consent belongs to an address: it is the first of the customer's own that holds it, never another's.
with other_addresses as (
    select distinct on (meant.customer_id)
        meant.customer_id, consents.email as consenting, consents.confirmed_at, consents.granted_at
    from meant
    inner join identity.identifiers
        on meant.customer_id = identifiers.customer_id and identifiers.kind = 'email'
    inner join {consents} as consents on """
    + CONSENT.replace("{email}", "identifiers.value")
    + """
    where not meant.is_granted
    order by meant.customer_id, identifiers.last_seen_at desc, identifiers.value
),

due as materialized ({due})

select
    meant.customer_id,
    meant.entered_at,
    recipients.recipient_key,
    meant.is_granted or other_addresses.consenting is not null,
    coalesce(meant.confirmed_at, other_addresses.confirmed_at),
    due.due_at,
    greatest(meant.last_active_at, other_addresses.granted_at),
    meant.reason
from meant
-- All have theirs; of an inner join the server would think that few have.
left join due on meant.base_at = due.base_at and meant.zone = due.zone
left join other_addresses on meant.customer_id = other_addresses.customer_id
left join {recipients} as recipients
    on coalesce(other_addresses.consenting, meant.email) = recipients.email
"""
)


def fill(connection: psycopg.Connection, edition: "EditionPlan", parameters: dict[str, Any]) -> None:
    """Put everybody of `meant` into the temporary table `addressed`."""
    due = recipient_hours.due_sql(edition.campaign)
    connection.execute(sql.SQL(_ADDRESSED).format(due=due, **edition.tables.named()), parameters)
    connection.execute("analyze addressed")
