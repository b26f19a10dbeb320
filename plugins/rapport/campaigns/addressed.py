"""At which of a customer's addresses they may be written to, and when it is their hour."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from rapport.campaigns import recipient_hours

if TYPE_CHECKING:
    from rapport.campaigns.edition_plan import EditionPlan

# Joined by address and topic wherever it is asked: a few candidates look theirs up, a million are hashed.
_CONSENT = """
    {email} = consents.email
    and consents.channel = 'email'
    and consents.topic = %(topic)s
    and consents.is_granted
    and (not %(double_opt_in)s or consents.confirmed_at is not null)
    and (consents.expires_at > %(slot_at)s) is not false
"""

_ADDRESSED = (
    """
insert into addressed
with own_addresses as (
    select meant.*, consents.email as consenting, consents.confirmed_at, consents.granted_at
    from meant
    left join {consents} as consents on """
    + _CONSENT.replace("{email}", "meant.email")
    + """
),

-- Consent belongs to an address: it is the first of the customer's own that holds it, never another's.
other_addresses as (
    select distinct on (own_addresses.customer_id)
        own_addresses.customer_id, consents.email as consenting, consents.confirmed_at, consents.granted_at
    from own_addresses
    inner join identity.identifiers
        on own_addresses.customer_id = identifiers.customer_id and identifiers.kind = 'email'
    inner join {consents} as consents on """
    + _CONSENT.replace("{email}", "identifiers.value")
    + """
    where own_addresses.consenting is null
    order by own_addresses.customer_id, identifiers.last_seen_at desc, identifiers.value
),

due as materialized ({due})

select
    own_addresses.customer_id,
    own_addresses.entered_at,
    recipients.recipient_key,
    coalesce(own_addresses.consenting, other_addresses.consenting) is not null,
    coalesce(own_addresses.confirmed_at, other_addresses.confirmed_at),
    due.due_at,
    greatest(own_addresses.last_active_at, own_addresses.granted_at, other_addresses.granted_at),
    own_addresses.reason
from own_addresses
inner join due on own_addresses.base_at = due.base_at and own_addresses.zone = due.zone
left join other_addresses on own_addresses.customer_id = other_addresses.customer_id
left join {recipients} as recipients
    on coalesce(own_addresses.consenting, other_addresses.consenting, own_addresses.email) = recipients.email
"""
)


def fill(connection: psycopg.Connection, edition: "EditionPlan", parameters: dict[str, Any]) -> None:
    """Put everybody of `meant` into the temporary table `addressed`."""
    due = recipient_hours.due_sql(edition.campaign)
    connection.execute(sql.SQL(_ADDRESSED).format(due=due, **edition.tables.named()), parameters)
    connection.execute("analyze addressed")
