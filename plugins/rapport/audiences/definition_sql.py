"""From a definition to SQL: as a query with bound values, or as the text of a dbt model for a repository.

One compiler makes both. Columns and tables come from lists of our own; what somebody typed is a value: bound
in a query, a quoted literal in a model, where also nothing of it reads as Jinja.
"""

import datetime
from typing import Any, NamedTuple

from psycopg import sql

from rapport.audiences.behaviours import BEHAVIOURS
from rapport.audiences.condition_sql import Names, holds_sql, looked_up, start_of
from rapport.audiences.customer_columns import Catalogue
from rapport.audiences.definition import BehaviourCondition, ColumnCondition, Definition
from rapport.audiences.definition_reasons import reason_sql
from rapport.audiences.sql_writers import Bound, ModelText, Writer

# An array is looked up in the index of every table, also below a view; a join might not be.
IN_SAMPLE = sql.SQL("facts.customer_id = any(array(select customer_id from sample))")


class Range(NamedTuple):
    """A sample of customers: those whose id, which is a hash, lies from `low` up to and without `high`."""

    low: str
    high: str


def members_query(
    definition: Definition, catalogue: Catalogue, as_of: datetime.datetime
) -> tuple[sql.Composed, dict[str, Any]]:
    """Who is in as of a moment, and why: customer_id and reason. The definition must have no mistakes."""
    writer = Bound(as_of)
    chosen = sql.SQL("customers.customer_id, {} as reason").format(reason_sql(definition, catalogue, writer))
    return _query(definition, catalogue, writer, chosen), writer.parameters


def count_query(
    definition: Definition, catalogue: Catalogue, as_of: datetime.datetime, sample: Range | None = None
) -> tuple[sql.Composed, dict[str, Any]]:
    """How many are in as of a moment; with `sample`, how many of those in it."""
    writer = Bound(as_of)
    query = _query(definition, catalogue, writer, sql.SQL("count(*)"), sample)
    if sample is not None:
        writer.parameters |= {"low": sample.low, "high": sample.high}
    return query, writer.parameters


def model_text(definition: Definition, catalogue: Catalogue, heading: str = "") -> str:
    """The segment as the file of a dbt model, which gives the same members with the same reasons."""
    writer = ModelText()
    chosen = sql.SQL("\n    customers.customer_id,\n    {} as reason").format(
        reason_sql(definition, catalogue, writer)
    )
    query = _query(definition, catalogue, writer, chosen).as_string(None)
    imports = ",\n\n".join(
        f"{name} as (\n    select * from {{{{ ref('{name}') }}}}\n)" for name in writer.relations
    )
    comment = "".join(
        f"-- {line}\n" for line in heading.replace("{", "(").replace("}", ")").splitlines() if line.strip()
    )
    body = query.removeprefix("with ")
    joint = ",\n\n" if query != body else "\n\n"
    return f"{comment}with {imports}{joint}{body}\n"


def _query(
    definition: Definition,
    catalogue: Catalogue,
    writer: Writer,
    chosen: sql.Composable,
    sample: Range | None = None,
) -> sql.Composed:
    """`with` a part for each behaviour, then customers joined with all of them.

    Joins, and no subqueries in the conditions: between "or" these would be asked for each customer.
    """
    tables, joins = [], []
    for number, condition in enumerate(looked_up(definition, catalogue)):
        name = f"part_{number}"
        if isinstance(condition, BehaviourCondition):
            tables.append(_times(name, condition, writer, sample))
        else:
            tables.append(_revenue(name, condition, writer, sample))
        joins.append(f"left join {name} on customers.customer_id = {name}.customer_id")
    in_sample = sql.SQL("customers.customer_id >= %(low)s and customers.customer_id < %(high)s")
    if sample is not None:
        tables.insert(
            0,
            sql.SQL(
                "sample as materialized (\n    select customer_id from {} as customers where {}\n)"
            ).format(writer.relation("customers"), in_sample),
        )
    parts: list[sql.Composable] = []
    if tables:
        parts.append(sql.SQL("with {}\n\n").format(sql.SQL(",\n\n").join(tables)))
    # dbt's way of naming a table at once imports it under its own name.
    customers = writer.relation("customers")
    source = customers if isinstance(writer, ModelText) else sql.SQL("{} as customers").format(customers)
    parts.append(sql.SQL("select {}\nfrom {}").format(chosen, source))
    parts += [sql.SQL(f"\n{join}") for join in joins]
    parts.append(
        sql.SQL("\nwhere\n    {}").format(holds_sql(definition, Names(definition, catalogue, writer)))
    )
    if sample is not None:
        parts.append(sql.SQL("\n    and {}").format(in_sample))
    return sql.Composed(parts)


def _times(name: str, condition: BehaviourCondition, writer: Writer, sample: Range | None) -> sql.Composable:
    behaviour = BEHAVIOURS[condition.did]
    happened_at = sql.SQL(f"facts.{behaviour.happened_at}")
    wanted: list[sql.Composable] = [sql.SQL("facts.customer_id is not null")]
    if behaviour.only:
        wanted.append(sql.SQL(behaviour.only))
    if condition.which is not None and condition.which_is is not None:
        column = sql.SQL(behaviour.narrowed_by[condition.which_is])
        wanted.append(sql.SQL("{} = {}").format(column, writer.value(condition.which)))
    if condition.within_days is not None:
        wanted.append(sql.SQL("{} >= {}").format(happened_at, writer.days_before(condition.within_days)))
    if condition.since is not None:
        wanted.append(sql.SQL("{} >= {}").format(happened_at, start_of(condition.since)))
    if sample is not None:
        wanted.append(IN_SAMPLE)
    return sql.SQL(
        "{name} as (\n"
        "    select\n        facts.customer_id,\n        count({counted}) as times\n"
        "    from {relation} as facts\n"
        "    where\n        {wanted}\n"
        "    group by facts.customer_id\n)"
    ).format(
        name=sql.SQL(name),
        counted=sql.SQL(behaviour.counted),
        relation=writer.relation(behaviour.relation),
        wanted=sql.SQL("\n        and ").join(wanted),
    )


def _revenue(name: str, condition: ColumnCondition, writer: Writer, sample: Range | None) -> sql.Composable:
    assert condition.currency is not None
    wanted: list[sql.Composable] = [sql.SQL("facts.currency = {}").format(writer.value(condition.currency))]
    if sample is not None:
        wanted.append(IN_SAMPLE)
    return sql.SQL(
        "{name} as (\n    select facts.*\n    from {relation} as facts\n    where {wanted}\n)"
    ).format(
        name=sql.SQL(name),
        relation=writer.relation("customer_revenue"),
        wanted=sql.SQL(" and ").join(wanted),
    )
