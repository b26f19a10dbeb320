"""Why somebody is in a defined segment: what holds of its conditions, with the customer's own values."""

from psycopg import sql

from rapport.audiences.behaviours import BEHAVIOURS, period_in_words
from rapport.audiences.condition_sql import Names, holds_sql
from rapport.audiences.customer_columns import PERSONAL, Catalogue
from rapport.audiences.definition import (
    BehaviourCondition,
    ColumnCondition,
    Condition,
    Definition,
    Group,
    leaves_of,
)
from rapport.audiences.sql_writers import Writer

LONGEST_REASON = 300
LONGEST_VALUE = 60  # characters of a customer's value in a reason


def reason_sql(definition: Definition, catalogue: Catalogue, writer: Writer) -> sql.Composable:
    """What holds of the conditions, with the customer's own values; never null for a member."""
    names = Names(definition, catalogue, writer)
    facts = []
    for place, condition in leaves_of(definition):
        fact = _fact(condition, names)
        if not _is_certain(definition, place):
            fact = sql.SQL("case when {} then {} end").format(holds_sql(condition, names), fact)
        facts.append(fact)
    return sql.SQL(
        "left(\n        concat_ws(\n            '; ',\n            {}\n        ),\n        {}\n    )"
    ).format(
        sql.SQL(",\n            ").join(facts),
        sql.SQL(str(LONGEST_REASON)),
    )


def _is_certain(definition: Definition, place: tuple[int, ...]) -> bool:
    """Whether the condition holds for every member: each group around it wants all, or has nothing else."""
    group: Condition = definition
    for number in place:
        assert isinstance(group, Group)
        if group.match == "any" and len(group.conditions) > 1:
            return False
        group = group.conditions[number]
    return True


def _fact(condition: Condition, names: Names) -> sql.Composable:
    writer = names.writer
    if isinstance(condition, BehaviourCondition):
        behaviour = BEHAVIOURS[condition.did]
        which = f" of {condition.which}" if condition.which is not None else ""
        return sql.SQL("{times} || case when {times} = 1 then {one} else {many} end || {rest}").format(
            times=names.times(condition),
            one=writer.value(f" {behaviour.singular}"),
            many=writer.value(f" {behaviour.plural}"),
            rest=writer.value(which + period_in_words(condition)),
        )
    assert isinstance(condition, ColumnCondition)
    column = names.catalogue.columns[condition.column]
    name, label = names.value(condition), column.label
    if condition.test == "unknown":
        return writer.value(f"{label} is not known")
    if column.name in PERSONAL:
        return writer.value(f"{label} is known" if condition.test == "known" else f"{label} fits")
    if column.kind == "boolean":
        return writer.value(f"{label}: {'yes' if condition.test == 'is_true' else 'no'}")
    if column.kind == "list":
        return writer.value(
            f"{label} {'include' if condition.test == 'has' else 'without'} {condition.value}"
        )
    if column.kind == "date":
        return sql.SQL("{} || to_char({} at time zone 'UTC', 'YYYY-MM-DD')").format(
            writer.value(f"{label} "), name
        )
    if column.kind == "money":
        currency = condition.currency or names.catalogue.reporting_currency or ""
        return sql.SQL("{} || round({}, 2) || {}").format(
            writer.value(f"{label} "), name, writer.value(f" {currency}")
        )
    if column.kind == "number":
        return sql.SQL("{} || trim_scale(cast({} as numeric))").format(writer.value(f"{label} "), name)
    return sql.SQL("{} || left({}, {})").format(
        writer.value(f"{label} "),
        name,
        sql.SQL(str(LONGEST_VALUE)),
    )
