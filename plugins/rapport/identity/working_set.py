"""What a run has to look at: everything, or what new observations and decisions reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from rapport.identity import addresses, copying
from rapport.identity.configuration import Identity
from rapport.identity.decisions import Decisions, Identifier
from rapport.identity.graph import Codes
from rapport.identity.guard import SHARED, shared_identifiers
from rapport.identity.observations import (
    COLUMN_OF,
    KEY,
    KINDS,
    OBSERVATIONS,
    SCOPED_KINDS,
    STRONG_KINDS,
    TEXT,
    TIMESTAMP,
    Observed,
    identifier_keys,
    observe,
    without_placeholders,
)
from rapport.identity.resolution import FORM, IDENTIFIER, MEMBER, PAIR, Rules, mailboxes

OBSERVED = "intermediate.int_identity_observations"
_TIMES = ("first_batch_id", "batch_first_seen_at", "first_seen_at", "last_seen_at")
_KNOWN = pa.schema(
    [*MEMBER, *((name, pa.int64() if name == "first_batch_id" else TIMESTAMP) for name in _TIMES)]
)


@dataclass(frozen=True)
class WorkingSet:
    """What `resolution.resolve` needs, and what of the tables the answer replaces.

    Attributes:
        observed, rules, whole: see there.
        reviews: the identifiers that stop linking (schema SHARED), of all or of those looked at.
        looked_at: the identifiers whose review was decided anew; None: all.
        taken_apart: the customers whose every identifier was looked at; None: all.
    """

    observed: Observed
    rules: Rules
    whole: pa.Table
    reviews: pa.Table
    looked_at: pa.Table | None
    taken_apart: pa.Array | None


def everything(connection: psycopg.Connection, identity: Identity, decisions: Decisions) -> WorkingSet:
    """All observations there are."""
    rows = _read(connection, f"select {', '.join(OBSERVATIONS.names)} from {OBSERVED}", identity)
    observed = observe(rows)
    del rows  # a tenth of a gigabyte per million
    connection.execute("delete from identity.email_forms")
    forms = _forms(connection, observed, identity)
    columns = _vertices(observed, forms)
    reviews = _without(shared_identifiers(observed, columns, identity.guard), _identifiers(decisions.trusted))
    rules = _rules(forms, reviews, decisions)
    return WorkingSet(observed, rules, MEMBER.empty_table(), reviews, None, None)


def reached(
    connection: psycopg.Connection,
    identity: Identity,
    decisions: Decisions,
    *,
    after_run_id: int,
    decided: Sequence[Identifier],
) -> WorkingSet:
    """The customers that observations written after a run reach, or the decisions about `decided`.

    Nothing else is read: identifiers and rows are looked up one by one through indexes.
    """
    query = f"select {', '.join(OBSERVATIONS.names)} from {OBSERVED} where run_id > {after_run_id}"
    rows = _read(connection, query, identity)
    news = observe(rows)
    forms = _forms(connection, news, identity)
    spellings = _spellings(connection, forms)
    looked_at = _distinct(news.identifiers, spellings, _identifiers(decided))
    reviews = _without(_reviews(connection, identity, looked_at, forms), _identifiers(decisions.trusted))
    turned = _turned(connection, reviews, looked_at)
    doubtful = _distinct(_of_superseded(news), turned, _identifiers(decided))
    asked = _distinct(looked_at, doubtful)
    known = _known(connection, asked)
    taken_apart = pc.unique(known.filter(pc.is_in(_keys(known), _keys(doubtful)))["customer_id"])
    members = _members_of(connection, taken_apart)
    strangers = _without(looked_at, known)
    more = _rows_of(connection, _distinct(members, doubtful, strangers), identity)
    rows = pa.concat_tables([rows, more])

    observed = observe(rows)
    forms = pa.concat_tables([forms, _forms(connection, observed, identity)])
    partners = _partners(observed, decisions)
    rows = pa.concat_tables([rows, _rows_of(connection, _without_customer(connection, partners), identity)])
    others = _without(_distinct(observed.identifiers, _spellings(connection, forms), partners), asked)
    known = pa.concat_tables([known, _known(connection, others)])
    known = known.filter(pc.invert(pc.is_in(known["customer_id"], taken_apart)))
    known = pa.concat_tables([known, _origins(connection, known)])
    observed = observe(pa.concat_tables([rows, _as_rows(known)]))
    kept = _kept_reviews(connection, observed, looked_at)
    rules = _rules(
        _forms(connection, observed, identity), pa.concat_tables([reviews.select(KEY), kept]), decisions
    )
    return WorkingSet(observed, rules, known.select(MEMBER.names), reviews, looked_at, taken_apart)


def _read(connection: psycopg.Connection, query: str, identity: Identity) -> pa.Table:
    expressions = {kind: identity.placeholders.expression(kind) for kind, _, _ in KINDS}
    return without_placeholders(copying.read(connection, query, OBSERVATIONS), expressions)


def _vertices(observed: Observed, forms: pa.Table) -> list[Codes]:
    mailbox = np.append(mailboxes(observed, forms), -1)
    return [mailbox[column] for column in observed.codes]


def _rules(forms: pa.Table, reviews: pa.Table, decisions: Decisions) -> Rules:
    return Rules(
        forms=forms,
        unlinking=_distinct(reviews, _identifiers(decisions.shared)),
        cuts=_pairs(decisions.cuts),
        joins=_pairs(decisions.joins),
    )


def _forms(connection: psycopg.Connection, observed: Observed, identity: Identity) -> pa.Table:
    """The normal forms of those observed addresses that have several spellings; they are remembered."""
    emails = observed.identifiers.filter(pc.equal(observed.identifiers["kind"], "email"))["value"]
    special = addresses.with_several_spellings(emails.combine_chunks(), identity.email_folding)
    forms = addresses.normal_forms(special.to_pylist(), identity.email_folding)
    if len(forms):
        _temporary(connection, "new_forms", forms)
        connection.execute(
            """
            insert into identity.email_forms (email, normal_form) select email, normal_form from new_forms
            on conflict do nothing
            """
        )
    return forms


def _spellings(connection: psycopg.Connection, forms: pa.Table) -> pa.Table:
    """All known spellings of the mailboxes, as identifiers."""
    if not len(forms):
        return IDENTIFIER.empty_table()
    _temporary(connection, "wanted_forms", forms)
    return _identifiers_from(
        connection,
        """
        select distinct 'email', '', email_forms.email
        from wanted_forms inner join identity.email_forms using (normal_form)
        """,
    )


def _reviews(
    connection: psycopg.Connection, identity: Identity, looked_at: pa.Table, forms: pa.Table
) -> pa.Table:
    """Those of the identifiers that link too much, from all their rows."""
    suspects = _distinct(
        _with_many_neighbours(connection, identity, looked_at),
        _spellings(connection, forms),
    )
    if not len(suspects):
        return SHARED.empty_table()
    observed = observe(_rows_of(connection, suspects, identity))
    forms = _forms(connection, observed, identity)
    found = shared_identifiers(observed, _vertices(observed, forms), identity.guard)
    # Of other identifiers in these rows not every row was read.
    return found.filter(pc.is_in(_keys(found), _keys(suspects)))


def _with_many_neighbours(
    connection: psycopg.Connection, identity: Identity, looked_at: pa.Table
) -> pa.Table:
    """A superset of those that link too much: placeholders are counted as well, and every spelling."""
    _temporary(connection, "looked_at", looked_at)
    found = [IDENTIFIER.empty_table()]
    for kind, column, is_scoped in KINDS:
        others = [other for other in KINDS[:STRONG_KINDS] if other[0] != kind]
        counts = ", ".join(
            f"count(distinct ({'observations.source, ' if scoped else ''}observations.{other}))"
            for _, other, scoped in others
        )
        found.append(
            _identifiers_from(
                connection,
                f"""
                select looked_at.kind, looked_at.source, looked_at.value
                from looked_at
                cross join lateral (
                    select greatest({counts}) as links from {OBSERVED} as observations
                    where
                        observations.{column} = looked_at.value and observations.is_current
                        {"and observations.source = looked_at.source" if is_scoped else ""}
                ) as counted
                where looked_at.kind = '{kind}' and counted.links > {identity.guard.limit(kind)}
                """,
            )
        )
    return pa.concat_tables(found)


def _turned(connection: psycopg.Connection, reviews: pa.Table, looked_at: pa.Table) -> pa.Table:
    """Those that link no longer, or again."""
    before = _in_table(connection, "identity.reviews", looked_at)
    return pa.concat_tables([_without(reviews.select(KEY), before), _without(before, reviews)])


def _kept_reviews(connection: psycopg.Connection, observed: Observed, looked_at: pa.Table) -> pa.Table:
    """Those of the observed identifiers that did not link before and were not looked at now."""
    before = _in_table(connection, "identity.reviews", observed.identifiers)
    return _without(before, looked_at)


def _of_superseded(news: Observed) -> pa.Table:
    """The identifiers of rows that hold no longer."""
    codes = np.unique(np.concatenate([column[~news.is_current] for column in news.codes]))
    return news.identifiers.take(pa.array(codes[codes >= 0]))


def _members_of(connection: psycopg.Connection, customers: pa.Array) -> pa.Table:
    if not len(customers):
        return IDENTIFIER.empty_table()
    _temporary(connection, "taken_apart", pa.table({"customer_id": customers}))
    return _identifiers_from(
        connection,
        """
        select identifiers.kind, identifiers.source, identifiers.value
        from taken_apart inner join identity.identifiers using (customer_id)
        """,
    )


def _without_customer(connection: psycopg.Connection, identifiers: pa.Table) -> pa.Table:
    return _without(identifiers, _in_table(connection, "identity.identifiers", identifiers))


def _rows_of(connection: psycopg.Connection, identifiers: pa.Table, identity: Identity) -> pa.Table:
    """Every row with one of the identifiers; a row with two of them may be there twice."""
    if not len(identifiers):
        return OBSERVATIONS.empty_table()
    _temporary(connection, "sought", identifiers)
    columns = ", ".join(f"observations.{name}" for name in OBSERVATIONS.names)
    found = [
        _read(
            connection,
            f"""
            select {columns}
            from sought
            inner join {OBSERVED} as observations
                on
                    observations.{COLUMN_OF[kind]} = sought.value
                    {"and observations.source = sought.source" if kind in SCOPED_KINDS else ""}
            where sought.kind = '{kind}'
            """,
            identity,
        )
        for kind in pc.unique(identifiers["kind"]).to_pylist()
    ]
    return pa.concat_tables(found)


def _partners(observed: Observed, decisions: Decisions) -> pa.Table:
    """The other sides of joins with one side among the observed."""
    if not decisions.joins:
        return IDENTIFIER.empty_table()
    sides = [_identifiers(pair[side] for pair in decisions.joins) for side in (0, 1)]
    is_there = [observed.find(side) >= 0 for side in sides]
    return pa.concat_tables([sides[1].filter(pa.array(is_there[0])), sides[0].filter(pa.array(is_there[1]))])


def _known(connection: psycopg.Connection, identifiers: pa.Table) -> pa.Table:
    """Those that belong to a customer, as the tables have them."""
    if not len(identifiers):
        return _KNOWN.empty_table()
    _temporary(connection, "asked", identifiers)
    columns = ", ".join(f"identifiers.{name}" for name in _KNOWN.names)
    return copying.read(
        connection,
        f"select {columns} from asked inner join identity.identifiers using (kind, source, value)",
        _KNOWN,
    )


def _origins(connection: psycopg.Connection, known: pa.Table) -> pa.Table:
    """The identifiers that the customers are named after."""
    customers = pc.unique(known["customer_id"])
    if not len(customers):
        return _KNOWN.empty_table()
    _temporary(connection, "whole_customers", pa.table({"customer_id": customers}))
    columns = ", ".join(f"identifiers.{name}" for name in _KNOWN.names)
    return copying.read(
        connection,
        f"""
        select {columns}
        from whole_customers
        -- Limits keep the planner, which expects two rows of this join, from reading both tables whole.
        cross join lateral (
            select kind, source, value from identity.customers
            where customers.customer_id = whole_customers.customer_id
            limit 1
        ) as named
        cross join lateral (
            select * from identity.identifiers
            where
                identifiers.kind = named.kind
                and identifiers.source = named.source
                and identifiers.value = named.value
            limit 1
        ) as identifiers
        """,
        _KNOWN,
    )


def _as_rows(known: pa.Table) -> pa.Table:
    """What the tables say of each identifier, as an observation of it alone."""
    nothing = pa.nulls(len(known), TEXT)
    return (
        pa.table(
            {
                "source": known["source"],
                **{
                    column: pc.if_else(pc.equal(known["kind"], kind), known["value"], nothing)
                    for kind, column, _ in KINDS
                },
                "is_current": pa.array([True] * len(known)),
                **{name: known[name] for name in _TIMES},
            },
        )
        .select(OBSERVATIONS.names)
        .cast(OBSERVATIONS)
    )


def _in_table(connection: psycopg.Connection, table: str, identifiers: pa.Table) -> pa.Table:
    """Those of the identifiers that the table has."""
    if not len(identifiers):
        return IDENTIFIER.empty_table()
    _temporary(connection, "asked", identifiers)
    return _identifiers_from(
        connection,
        f"select kind, source, value from asked inner join {table} using (kind, source, value)",
    )


def _identifiers_from(connection: psycopg.Connection, query: str) -> pa.Table:
    return copying.read(connection, query, IDENTIFIER)


def _temporary(connection: psycopg.Connection, name: str, rows: pa.Table) -> None:
    """A temp table of the rows, all columns text, in the place of the last one of this name."""
    columns = [column for column in rows.column_names if column in (*MEMBER.names, *FORM.names)]
    definition = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(column)) for column in columns)
    table = sql.Identifier("pg_temp", name)
    connection.execute(sql.SQL("drop table if exists {}").format(table))
    connection.execute(
        sql.SQL("create temp table {} ({}) on commit drop").format(sql.Identifier(name), definition)
    )
    copying.write(connection, table, rows.select(columns))
    connection.execute(sql.SQL("analyze {}").format(table))


def _identifiers(identifiers: Iterable[Identifier]) -> pa.Table:
    return pa.Table.from_pylist([identifier._asdict() for identifier in sorted(identifiers)], IDENTIFIER)


def _pairs(pairs: Iterable[tuple[Identifier, Identifier]]) -> pa.Table:
    rows = [
        {
            f"{name}_{side}": part
            for side, identifier in zip("ab", pair, strict=True)
            for name, part in identifier._asdict().items()
        }
        for pair in sorted(pairs)
    ]
    return pa.Table.from_pylist(rows, PAIR)


def _distinct(*tables: pa.Table) -> pa.Table:
    together = pa.concat_tables([table.select(KEY).cast(IDENTIFIER) for table in tables])
    return together.group_by(list(KEY)).aggregate([])


def _without(rows: pa.Table, identifiers: pa.Table) -> pa.Table:
    """The rows whose identifier is none of the others."""
    return rows.filter(pc.invert(pc.is_in(_keys(rows), _keys(identifiers))))


def _keys(identifiers: pa.Table) -> pa.ChunkedArray:
    return identifier_keys(identifiers)
