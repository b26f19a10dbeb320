"""What people decided about identifiers: append-only, each with who, when and why; the last one holds."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import psycopg

Kind = Literal["cut", "join", "shared", "trusted"]


class Identifier(NamedTuple):
    """What names somebody. `source` is empty for kinds that mean the same in every source."""

    kind: str
    source: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}" + (f" of {self.source}" if self.source else "")


@dataclass(frozen=True)
class Decisions:
    """What holds now.

    Attributes:
        newest_id: the last decision that was read, 0 where there is none.
        cuts, joins: pairs of identifiers.
        shared: identifiers that link nobody. trusted: those that link however many they link.
    """

    newest_id: int
    cuts: frozenset[tuple[Identifier, Identifier]]
    joins: frozenset[tuple[Identifier, Identifier]]
    shared: frozenset[Identifier]
    trusted: frozenset[Identifier]


def read(connection: psycopg.Connection) -> Decisions:
    """The decisions that hold: of those on one subject the last, unless it was undone."""
    found: dict[str, list[tuple[Identifier, Identifier | None]]] = {}
    for decision, *names in connection.execute(_HOLDING):
        first, second = Identifier(*names[:3]), Identifier(*names[3:]) if names[3] is not None else None
        found.setdefault(decision, []).append((first, second))
    newest = connection.execute("select coalesce(max(decision_id), 0) from identity.decisions").fetchone()
    assert newest is not None

    def pairs(kind: Kind) -> frozenset[tuple[Identifier, Identifier]]:
        return frozenset((first, second) for first, second in found.get(kind, []) if second is not None)

    def single(kind: Kind) -> frozenset[Identifier]:
        return frozenset(first for first, _ in found.get(kind, []))

    return Decisions(newest[0], pairs("cut"), pairs("join"), single("shared"), single("trusted"))


def since(connection: psycopg.Connection, decision_id: int) -> list[Identifier]:
    """The identifiers that decisions after this one are about."""
    rows = connection.execute(
        """
        select distinct subject.kind, subject.source, subject.value
        from identity.decisions
        left join identity.decisions as undone on decisions.undoes = undone.decision_id
        cross join lateral (
            values
            (decisions.kind_a, decisions.source_a, decisions.value_a),
            (decisions.kind_b, decisions.source_b, decisions.value_b),
            (undone.kind_a, undone.source_a, undone.value_a),
            (undone.kind_b, undone.source_b, undone.value_b)
        ) as subject (kind, source, value)
        where decisions.decision_id > %s and subject.kind is not null
        """,
        [decision_id],
    ).fetchall()
    return [Identifier(*row) for row in rows]


def decide(
    connection: psycopg.Connection,
    decision: Kind,
    first: Identifier,
    second: Identifier | None = None,
    *,
    by: str,
    reason: str | None = None,
) -> int:
    """Append a decision; its id. The identifiers of a pair may come in either order."""
    _in_order_of_commits(connection)
    pair = sorted(identifier for identifier in (first, second) if identifier is not None)
    sides = [*pair[0], *(pair[1] if second is not None else (None, None, None))]
    row = connection.execute(
        """
        insert into identity.decisions (
            decision, kind_a, source_a, value_a, kind_b, source_b, value_b, decided_by, reason
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning decision_id
        """,
        [decision, *sides, by, reason],
    ).fetchone()
    assert row is not None
    return int(row[0])


def undo(connection: psycopg.Connection, decision_id: int, *, by: str, reason: str | None = None) -> bool:
    """Append that a decision holds no longer; False where it did not hold (or there is none)."""
    _in_order_of_commits(connection)
    row = connection.execute(
        """
        insert into identity.decisions (decision, undoes, decided_by, reason)
        select 'undo', decision_id, %s, %s from identity.decisions
        where
            decision_id = %s and decision <> 'undo'
            and not exists (
                select from identity.decisions as others where others.undoes = decisions.decision_id
            )
        returning decision_id
        """,
        [by, reason, decision_id],
    ).fetchone()
    return row is not None


def _in_order_of_commits(connection: psycopg.Connection) -> None:
    """Else a smaller id could appear after a run has read the newest one."""
    connection.execute("lock table identity.decisions in share row exclusive mode")


_HOLDING = """
with subjects as (
    select distinct on (kind_a, source_a, value_a, kind_b, source_b, value_b) *
    from identity.decisions
    where
        decision <> 'undo'
        and not exists (select from identity.decisions as others where others.undoes = decisions.decision_id)
    order by kind_a, source_a, value_a, kind_b, source_b, value_b, decision_id desc
)

select decision, kind_a, source_a, value_a, kind_b, source_b, value_b from subjects
"""
