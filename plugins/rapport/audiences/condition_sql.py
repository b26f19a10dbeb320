"""The conditions of a definition as tests of SQL, and the other tables that these look at."""

import datetime
import re

from psycopg import sql

from rapport.audiences.customer_columns import Catalogue, Column
from rapport.audiences.definition import (
    BehaviourCondition,
    ColumnCondition,
    Condition,
    Definition,
    Group,
    decimal_of,
    leaves_of,
)
from rapport.audiences.sql_writers import ModelText, Writer

_FIXED = {
    "known": "{} is not null",
    "unknown": "{} is null",
    "is_true": "{} is true",
    "is_false": "{} is false",
}
_COMPARISONS = {"equals": "=", "not_equals": "<>", "at_least": ">=", "at_most": "<="}
# No `like`: what it means by % and _ would be the typed text's.
_TEXTS = {
    "equals": "{} = {}",
    "not_equals": "{} <> {}",
    "contains": "position(lower({1}) in lower({0})) > 0",
    "starts_with": "starts_with(lower({}), lower({}))",
    "has": "jsonb_exists({}, {})",
    "has_not": "not jsonb_exists({}, {})",
}


def looked_up(definition: Definition, catalogue: Catalogue) -> list[BehaviourCondition | ColumnCondition]:
    """The conditions that look at another table than customers; equal ones share a part of the query."""
    found: dict[object, BehaviourCondition | ColumnCondition] = {}
    for _, condition in leaves_of(definition):
        key = _part_key(condition, catalogue)
        if key is not None and key not in found:
            found[key] = condition
    return list(found.values())


def _part_key(condition: Condition, catalogue: Catalogue) -> object:
    if isinstance(condition, BehaviourCondition):
        return (
            condition.did,
            condition.within_days,
            condition.since,
            condition.which_is,
            condition.which,
        )
    if isinstance(condition, ColumnCondition) and catalogue.columns[condition.column].is_amount:
        return "revenue", condition.currency
    return None


class Names:
    """How a condition's value is called in the query."""

    def __init__(self, definition: Definition, catalogue: Catalogue, writer: Writer) -> None:
        self.catalogue = catalogue
        self.writer = writer
        self._parts = {
            _part_key(condition, catalogue): f"part_{number}"
            for number, condition in enumerate(looked_up(definition, catalogue))
        }

    def part(self, condition: Condition) -> str:
        return self._parts[_part_key(condition, self.catalogue)]

    def times(self, condition: BehaviourCondition) -> sql.Composable:
        return sql.SQL(f"coalesce({self.part(condition)}.times, 0)")

    def value(self, condition: ColumnCondition) -> sql.Composable:
        column = self.catalogue.columns[condition.column]
        if not column.is_amount:
            if isinstance(self.writer, ModelText) and re.fullmatch("[a-z_][a-z0-9_]*", column.name):
                return sql.SQL(f"customers.{column.name}")
            return sql.Identifier("customers", column.name)
        part, name = self.part(condition), column.name
        return sql.SQL(f"case when {part}.customer_id is null then 0 else {part}.{name} end")


def holds_sql(condition: Condition, names: Names) -> sql.Composable:
    """True where the condition holds; false or null where not, which is the same between `and` and `or`."""
    if isinstance(condition, Group):
        joint = sql.SQL("\n    and " if condition.match == "all" else "\n    or ")
        return sql.SQL("({})").format(joint.join([holds_sql(one, names) for one in condition.conditions]))
    if isinstance(condition, BehaviourCondition):
        comparison = {"at_least": ">=", "at_most": "<=", "exactly": "="}[condition.times]
        return sql.SQL("{} {} {}").format(
            names.times(condition),
            sql.SQL(comparison),
            sql.SQL(str(condition.count)),
        )
    column = names.catalogue.columns[condition.column]
    return _column_test(condition, column, names)


def _column_test(condition: ColumnCondition, column: Column, names: Names) -> sql.Composable:
    name, writer, test = names.value(condition), names.writer, condition.test
    if test in _FIXED:
        return sql.SQL(_FIXED[test]).format(name)
    if test in ("one_of", "none_of"):
        assert condition.values is not None
        operator = "= any" if test == "one_of" else "<> all"
        return sql.SQL("{} {}({})").format(name, sql.SQL(operator), writer.value(condition.values))
    if test in ("within_days", "before_days"):
        assert condition.days is not None
        operator = ">=" if test == "within_days" else "<"
        return sql.SQL("{} {} {}").format(name, sql.SQL(operator), writer.days_before(condition.days))
    if test in ("since", "before"):
        assert condition.day is not None
        operator = ">=" if test == "since" else "<"
        return sql.SQL("{} {} {}").format(name, sql.SQL(operator), start_of(condition.day))
    assert condition.value is not None
    if column.kind in ("number", "money"):
        number = decimal_of(condition.value)
        assert number is not None
        return sql.SQL("{} {} {}").format(name, sql.SQL(_COMPARISONS[test]), writer.value(number))
    return sql.SQL(_TEXTS[test]).format(name, writer.value(condition.value))


def start_of(day: datetime.date) -> sql.Composable:
    return sql.SQL(f"cast('{day.isoformat()} 00:00:00+00' as timestamptz)")
