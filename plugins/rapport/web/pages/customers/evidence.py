"""Why we think that what a customer is known by belongs to one person."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from rapport.identity.configuration import Identity
from rapport.identity.decisions import Identifier
from rapport.identity.explanation import Explanation, Member, explain

# A person may have ten thousand devices; nobody reads them all, and each is asked why it belongs to them.
LARGEST = 200


@dataclass(frozen=True)
class Evidence:
    """`explanation` None: nothing is left that they are known by, or there are more than `LARGEST`.

    Args:
        first: the identifier that the chains begin with; the one they are named after, where it is left.
    """

    explanation: Explanation | None
    count: int
    first: Identifier | None = None

    @property
    def start(self) -> Member:
        """The one that the chains begin with."""
        assert self.explanation is not None
        return next(one for one in self.explanation.members if one.identifier == self.first)

    @property
    def others(self) -> list[Member]:
        """The nearest first: those with the shortest chain, then who was there first."""
        assert self.explanation is not None
        others = [one for one in self.explanation.members if one.identifier != self.first]
        return sorted(others, key=lambda one: (not one.chain, len(one.chain)))


def read(connection: psycopg.Connection, customer_id: str, identity: Identity) -> Evidence:
    """The chain of evidence from the identifier that the customer is named after to each other one."""
    rows = connection.execute(
        sql.SQL(
            """
            select identifiers.kind, identifiers.source, identifiers.value,
                (customers.kind, customers.source, customers.value)
                = (identifiers.kind, identifiers.source, identifiers.value)
            from identity.identifiers
            inner join identity.customers using (customer_id)
            where customer_id = %s
            order by 4 desc, identifiers.first_seen_at
            limit %s
            """
        ),
        [customer_id, LARGEST + 1],
    ).fetchall()
    if not rows or len(rows) > LARGEST:
        return Evidence(None, len(rows))
    first = Identifier(*rows[0][:3])
    return Evidence(explain(connection, first, identity), len(rows), first)
