"""What waits for a person: identifiers that stopped linking, and merges that are proposed."""

from dataclasses import dataclass

import psycopg

from rapport.identity.decisions import Identifier
from rapport.identity.explanation import spelled
from rapport.identity.observations import COLUMN_OF, KINDS, SCOPED_KINDS, STRONG_KINDS
from rapport.identity.working_set import OBSERVED

# Of an identifier with thousands of neighbours, a person needs to see some.
MOST_CUSTOMERS = 20


@dataclass(frozen=True)
class SharedIdentifier:
    """An identifier that stopped linking; `customers` are those it would have joined, in words."""

    identifier: Identifier
    links: int
    linked: str
    customers: list[str]

    @property
    def name(self) -> str:
        """As the command line reads it."""
        return spelled(self.identifier)


@dataclass(frozen=True)
class Proposal:
    """Two customers who may be one; `names` are an identifier of each as the command line reads it."""

    probability: float
    evidence: str
    customers: tuple[str, str]
    names: tuple[str, str]


_WAITING = """
    from identity.reviews
    where not exists (
        select from identity.decisions
        where
            decision = 'shared' and decisions.kind_a = reviews.kind and decisions.source_a = reviews.source
            and decisions.value_a = reviews.value
            and not exists (
                select from identity.decisions as others where others.undoes = decisions.decision_id
            )
    )
"""

# Both are customers still: a merge takes a proposal away.
_OPEN = """
    from identity.proposals
    where
        exists (select from identity.identifiers where identifiers.customer_id = proposals.customer_id_a)
        and exists (select from identity.identifiers where identifiers.customer_id = proposals.customer_id_b)
"""


def count(connection: psycopg.Connection) -> tuple[int, int]:
    """How many shared identifiers and how many proposals wait."""
    row = connection.execute(
        f"select (select count(*) {_WAITING}), (select count(*) {_OPEN})".encode()
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def shared_identifiers(connection: psycopg.Connection) -> list[SharedIdentifier]:
    """Those that nobody has decided about yet, the one with most links first."""
    rows = connection.execute(
        f"""
        select kind, source, value, links, linked_kind, linked_source {_WAITING}
        order by links desc, kind, source, value
        """.encode()
    ).fetchall()
    return [
        SharedIdentifier(
            Identifier(*name),
            links,
            kind + (f" of {source}" if source else ""),
            _neighbours(connection, Identifier(*name)),
        )
        for *name, links, kind, source in rows
    ]


def proposals(connection: psycopg.Connection) -> list[Proposal]:
    """Those whose customers are still two, the likeliest first."""
    rows = connection.execute(
        f"""
        select customer_id_a, customer_id_b, probability, evidence {_OPEN}
        order by probability desc, customer_id_a, customer_id_b
        """.encode()
    ).fetchall()
    found = []
    for *ids, probability, evidence in rows:
        first, second = (_described(connection, customer_id) for customer_id in ids)
        one, other = (_name(connection, customer_id) for customer_id in ids)
        found.append(Proposal(probability, evidence, (first, second), (one, other)))
    return found


def _neighbours(connection: psycopg.Connection, identifier: Identifier) -> list[str]:
    own = COLUMN_OF[identifier.kind]
    scope = "and observations.source = %(source)s" if identifier.kind in SCOPED_KINDS else ""
    kinds = ", ".join(
        f"('{kind}', {'observations.source' if is_scoped else repr('')}, observations.{column})"
        for kind, column, is_scoped in KINDS[:STRONG_KINDS]
        if kind != identifier.kind
    )
    rows = connection.execute(
        f"""
        select distinct identifiers.customer_id
        from {OBSERVED} as observations
        cross join lateral (values {kinds}) as neighbour (kind, source, value)
        inner join identity.identifiers
            on
                identifiers.kind = neighbour.kind and identifiers.source = neighbour.source
                and identifiers.value = neighbour.value
        where observations.is_current and observations.{own} = %(value)s {scope}
        order by 1
        """.encode(),
        {"value": identifier.value, "source": identifier.source},
    ).fetchall()
    described = [_described(connection, row[0]) for row in rows[:MOST_CUSTOMERS]]
    more = len(rows) - MOST_CUSTOMERS
    return [*described, *([f"and {more:,} more"] if more > 0 else [])]


def _described(connection: psycopg.Connection, customer_id: str) -> str:
    rows = connection.execute(
        """
        select kind, source, value from identity.identifiers
        where customer_id = %s and kind <> 'device' order by first_batch_id, batch_first_seen_at, kind limit 4
        """,
        [customer_id],
    ).fetchall()
    return f"{customer_id}: " + ", ".join(str(Identifier(*row)) for row in rows)


def _name(connection: psycopg.Connection, customer_id: str) -> str:
    row = connection.execute(
        """
        select identifiers.kind, identifiers.source, identifiers.value
        from identity.customers inner join identity.identifiers using (kind, source, value)
        where customers.customer_id = %s
        """,
        [customer_id],
    ).fetchone()
    assert row is not None
    return spelled(Identifier(*row))
