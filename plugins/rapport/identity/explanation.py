"""Why two identifiers are one customer: the shortest chain of rows, spellings and decisions between them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from rapport.errors import ConfigurationError
from rapport.identity import decisions
from rapport.identity.configuration import Identity
from rapport.identity.decisions import Decisions, Identifier
from rapport.identity.observations import COLUMN_OF, KINDS, SCOPED_KINDS
from rapport.identity.working_set import OBSERVED


@dataclass(frozen=True)
class Link:
    """Why two identifiers belong together: rows of a stream, or, without `stream`, what `because` says."""

    first: Identifier
    second: Identifier
    stream: str | None
    source: str | None
    record_id: str | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    because: str | None = None

    def __str__(self) -> str:
        if self.stream is None:
            return str(self.because)
        days = f"{self.first_seen_at:%Y-%m-%d %H:%M}"
        if self.last_seen_at != self.first_seen_at:
            days += f" to {self.last_seen_at:%Y-%m-%d %H:%M}"
        return f"{self.stream} of {self.source}, first {self.record_id}, {days} UTC"


@dataclass(frozen=True)
class Member:
    """An identifier of a customer, how it is reached from the one asked about, and when it was seen."""

    identifier: Identifier
    first_seen_at: datetime
    last_seen_at: datetime
    chain: list[Link]


@dataclass(frozen=True)
class Explanation:
    """Who somebody is. `former_ids` lead here too; `does_not_link` says why the identifier stands alone."""

    customer_id: str
    named_after: Identifier
    former_ids: list[str]
    members: list[Member]
    does_not_link: str | None


def find(connection: psycopg.Connection, text: str) -> Identifier:
    """The identifier that a person names: `anna@shop.example`, `+49301234`, `customer_number:shop:17850`.

    Raises:
        ConfigurationError: nothing known is called so, or more than one thing.
    """
    kind, _, rest = text.partition(":")
    if kind in COLUMN_OF:
        source, _, value = rest.partition(":") if kind in SCOPED_KINDS else ("", "", rest)
        return Identifier(kind, source, value.lower() if kind == "email" else value)
    value = text.strip()
    rows = connection.execute(
        """
        select kind, source, value from identity.identifiers
        where value = any(%s) and kind = any(%s) order by kind, source
        """,
        [[value, value.lower()], list(COLUMN_OF)],
    ).fetchall()
    if len(rows) == 1:
        return Identifier(*rows[0])
    if rows:
        ways = " or ".join(spelled(Identifier(*row)) for row in rows)
        raise ConfigurationError(f"{text} names more than one identifier; write {ways}")
    if "@" in value:
        return Identifier("email", "", value.lower())
    raise ConfigurationError(
        f"no identifier is called {text}; write an e-mail address, a phone like +49301234, "
        "customer_number:SOURCE:NUMBER, contact:SOURCE:ID or device:ID"
    )


def spelled(identifier: Identifier) -> str:
    """The identifier as `find` reads it."""
    kind, source, value = identifier
    return f"{kind}:{source}:{value}" if kind in SCOPED_KINDS else f"{kind}:{value}"


def explain(connection: psycopg.Connection, start: Identifier, identity: Identity) -> Explanation:
    """Whose the identifier is, and for every other one of that customer the shortest chain of evidence.

    Raises:
        ConfigurationError: it belongs to nobody; says why, where that is known.
    """
    customer = connection.execute(
        """
        select customers.customer_id, customers.kind, customers.source, customers.value
        from identity.identifiers inner join identity.customers using (customer_id)
        where (identifiers.kind, identifiers.source, identifiers.value) = (%s, %s, %s)
        """,
        list(start),
    ).fetchone()
    if customer is None:
        raise ConfigurationError(_nobody(connection, start, identity))
    members = {
        Identifier(*row[:3]): (row[3], row[4])
        for row in connection.execute(
            """
            select kind, source, value, first_seen_at, last_seen_at from identity.identifiers
            where customer_id = %s order by first_seen_at, kind, value
            """,
            [customer[0]],
        )
    }
    holding = decisions.read(connection)
    chains = _chains(start, list(_links(connection, list(members), holding, identity)))
    former = connection.execute(
        "select old_customer_id from identity.merges where customer_id = %s order by 1", [customer[0]]
    ).fetchall()
    return Explanation(
        customer_id=customer[0],
        named_after=Identifier(*customer[1:]),
        former_ids=[row[0] for row in former],
        members=[Member(name, *seen, chains.get(name, [])) for name, seen in members.items()],
        does_not_link=_why_alone(connection, start, holding),
    )


def chain(
    connection: psycopg.Connection, first: Identifier, second: Identifier, identity: Identity
) -> list[Link] | None:
    """The shortest chain that still links the two by what is decided now, before the next run."""
    explained = explain(connection, first, identity)
    return next((member.chain for member in explained.members if member.identifier == second), None)


def _chains(start: Identifier, links: list[Link]) -> dict[Identifier, list[Link]]:
    neighbours: dict[Identifier, list[Link]] = {}
    for link in links:
        neighbours.setdefault(link.first, []).append(link)
        neighbours.setdefault(link.second, []).append(link)
    chains: dict[Identifier, list[Link]] = {start: []}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for link in neighbours.get(here, []):
            there = link.second if link.first == here else link.first
            if there not in chains:
                chains[there] = [*chains[here], link]
                waiting.append(there)
    return chains


def _links(
    connection: psycopg.Connection, members: list[Identifier], holding: Decisions, identity: Identity
) -> Iterator[Link]:
    """Every link among the identifiers, of each pair and stream the earliest row."""
    known = set(members)
    alone = holding.shared | _reviewed(connection)
    seen = set()
    for row in _rows(connection, members):
        stream, source, record_id, first, last, *values = row
        named = [
            Identifier(kind, source if is_scoped else "", value)
            for (kind, _, is_scoped), value in zip(KINDS, values, strict=True)
            if value is not None
        ]
        for position, one in enumerate(named):
            for other in named[position + 1 :]:
                pair = (min(one, other), max(one, other))
                is_link = {one, other} <= known and not {one, other} & alone and pair not in holding.cuts
                if is_link and (pair, stream, source) not in seen:
                    seen.add((pair, stream, source))
                    yield Link(one, other, stream, source, record_id, first, last)
    for one, other in sorted(holding.joins):
        if {one, other} <= known:
            yield Link(one, other, None, None, None, None, None, _who_joined(connection, one, other))
    yield from _spellings(connection, members)


def _rows(connection: psycopg.Connection, members: list[Identifier]) -> list[tuple[Any, ...]]:
    columns = ", ".join(column for _, column, _ in KINDS)
    queries, values = [], []
    for kind, column, _ in KINDS:
        queries.append(f"select observation_id from {OBSERVED} where is_current and {column} = any(%s)")
        values.append([identifier.value for identifier in members if identifier.kind == kind])
    return connection.execute(
        f"""
        select stream, source, record_id, first_seen_at, last_seen_at, {columns}
        from {OBSERVED}
        where observation_id in ({" union ".join(queries)})
        order by first_seen_at, record_id
        """.encode(),
        values,
    ).fetchall()


def _spellings(connection: psycopg.Connection, members: list[Identifier]) -> Iterator[Link]:
    emails = [identifier.value for identifier in members if identifier.kind == "email"]
    rows = connection.execute(
        """
        select normal_form, array_agg(email order by email) from identity.email_forms
        where email = any(%s) group by normal_form having count(*) > 1
        """,
        [emails],
    ).fetchall()
    for normal_form, spellings in rows:
        for other in spellings[1:]:
            first, second = (Identifier("email", "", email) for email in (spellings[0], other))
            yield Link(
                first, second, None, None, None, None, None, f"spellings of one mailbox, {normal_form}"
            )


def _reviewed(connection: psycopg.Connection) -> frozenset[Identifier]:
    rows = connection.execute("select kind, source, value from identity.reviews").fetchall()
    return frozenset(Identifier(*row) for row in rows)


def _who_joined(connection: psycopg.Connection, one: Identifier, other: Identifier) -> str:
    pair = sorted((one, other))
    row = connection.execute(
        """
        select decision_id, decided_by, decided_at, reason from identity.decisions
        where decision = 'join' and (kind_a, source_a, value_a, kind_b, source_b, value_b)
            = (%s, %s, %s, %s, %s, %s)
        order by decision_id desc limit 1
        """,
        [*pair[0], *pair[1]],
    ).fetchone()
    assert row is not None
    reason = f": {row[3]}" if row[3] else ""
    return f"decision {row[0]}, joined by {row[1]} on {row[2]:%Y-%m-%d}{reason}"


def _why_alone(connection: psycopg.Connection, identifier: Identifier, holding: Decisions) -> str | None:
    if identifier in holding.shared:
        return "a person marked it as shared, so it links nobody"
    row = connection.execute(
        """
        select links, linked_kind, linked_source from identity.reviews
        where (kind, source, value) = (%s, %s, %s)
        """,
        list(identifier),
    ).fetchone()
    if row is None:
        return None
    of = f" of {row[2]}" if row[2] else ""
    return f"it was seen with {row[0]} of kind {row[1]}{of}, so it links nobody; `rapport identity review`"


def _nobody(connection: psycopg.Connection, identifier: Identifier, identity: Identity) -> str:
    import re

    expression = identity.placeholders.expression(identifier.kind)
    if expression and re.fullmatch(expression, identifier.value, re.IGNORECASE):
        return f"{identifier} is a placeholder (config/identity.yml), so it belongs to nobody"
    kind = "a device that no other identifier was seen with" if identifier.kind == "device" else "nobody's"
    return f"{identifier} is {kind}, or was never seen; nothing is known of it as of the last run"
