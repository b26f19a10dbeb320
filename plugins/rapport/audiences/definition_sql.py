"""From a definition to SQL: as a query with bound values, or as the text of a dbt model for a repository.

One compiler makes both. Columns and tables come from lists of our own; what somebody typed is a value: bound
in a query, a quoted literal in a model, where also nothing of it reads as Jinja.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from psycopg import sql

from rapport.audiences.customer_columns import PERSONAL, Catalogue, Column
from rapport.audiences.definition import (
    BehaviourCondition,
    ColumnCondition,
    Condition,
    Definition,
    Group,
    decimal_of,
    leaves_of,
)

LONGEST_REASON = 300
LONGEST_VALUE = 60  # characters of a customer's value in a reason


class Behaviour(NamedTuple):
    """Where it is seen that a customer did something; `counted` is what makes one time of it."""

    relation: str
    happened_at: str
    singular: str
    plural: str
    counted: str = "*"
    only: str = ""
    narrowed_by: Mapping[str, str] = {}


BEHAVIOURS: dict[str, Behaviour] = {
    "order": Behaviour("orders", "ordered_at", "order", "orders"),
    "buy": Behaviour(
        "order_lines",
        "ordered_at",
        "order",
        "orders",
        "distinct facts.order_key",
        "facts.quantity > 0",
        {"product": "facts.source || ':' || facts.product_id", "category": "facts.category"},
    ),
    "return": Behaviour("returns", "returned_at", "return", "returns", only="facts.is_counted"),
    "visit": Behaviour("sessions", "started_at", "visit", "visits", narrowed_by={"channel": "facts.channel"}),
    "cart": Behaviour(
        "sessions",
        "started_at",
        "visit with a cart",
        "visits with a cart",
        only="facts.has_cart",
        narrowed_by={"channel": "facts.channel"},
    ),
    "ticket": Behaviour(
        "tickets", "opened_at", "ticket", "tickets", narrowed_by={"category": "facts.category"}
    ),
    "survey": Behaviour(
        "survey_responses",
        "responded_at",
        "survey answer",
        "survey answers",
        narrowed_by={"metric": "facts.metric"},
    ),
    **{
        event: Behaviour(
            "customer_timeline",
            "happened_at",
            f"e-mail {event}",
            f"e-mails {event}",
            only=f"facts.kind = 'email' and facts.detail = '{detail}'",
        )
        for event, detail in (("mailed", "sent"), ("opened", "opened"), ("clicked", "clicked"))
    },
}
BEHAVIOURS["mailed"] = BEHAVIOURS["mailed"]._replace(singular="e-mail", plural="e-mails")


class Range(NamedTuple):
    """A sample of customers: those whose id, which is a hash, lies from `low` up to and without `high`."""

    low: str
    high: str


class Writer(Protocol):
    """How values, tables and the run's time are written."""

    def value(self, value: str | Decimal | list[str]) -> sql.Composable: ...

    def relation(self, name: str) -> sql.Composable: ...

    def days_before(self, days: int) -> sql.Composable: ...


@dataclass
class Bound:
    """Values as parameters; `parameters` has them once the query is compiled."""

    as_of: datetime.datetime
    parameters: dict[str, Any] = field(default_factory=dict)

    def value(self, value: str | Decimal | list[str]) -> sql.Composable:
        cast = "numeric" if isinstance(value, Decimal) else "text" if isinstance(value, str) else "text[]"
        return sql.SQL("{}::{}").format(self._bind(value), sql.SQL(cast))

    def relation(self, name: str) -> sql.Composable:
        return sql.Identifier("marts", name)

    def days_before(self, days: int) -> sql.Composable:
        moment = self.as_of - datetime.timedelta(days=days)
        return sql.SQL("{}::timestamptz").format(self._bind(moment))

    def _bind(self, value: object) -> sql.Placeholder:
        name = f"value_{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name)


class ModelText:
    """Values as literals of a dbt model."""

    def __init__(self) -> None:
        self.relations: list[str] = []

    def value(self, value: str | Decimal | list[str]) -> sql.Composable:
        if isinstance(value, Decimal):
            return sql.SQL(f"{value:f}")
        if isinstance(value, str):
            return sql.SQL(literal(value))
        return sql.SQL(f"cast(array[{', '.join(map(literal, value))}] as text[])")

    def relation(self, name: str) -> sql.Composable:
        if name not in self.relations:
            self.relations.append(name)
        return sql.SQL(name)

    def days_before(self, days: int) -> sql.Composable:
        return sql.SQL(f"{{{{ before_as_of(days={days}) }}}}")


def literal(text: str) -> str:
    """A text as an SQL literal in which Jinja finds nothing to do: '{{' becomes '{' || '{'."""
    quoted = text.replace("'", "''")
    pieces = re.sub(r"\{(?=[{%#])", "{' || '", quoted)
    return f"'{pieces}'" if pieces == quoted else f"('{pieces}')"


def members_query(
    definition: Definition, catalogue: Catalogue, as_of: datetime.datetime
) -> tuple[sql.Composed, dict[str, Any]]:
    """Who is in as of a moment, and why: customer_id and reason. The definition must have no mistakes."""
    writer = Bound(as_of)
    chosen = sql.SQL("customers.customer_id, {} as reason").format(_reason(definition, catalogue, writer))
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
        _reason(definition, catalogue, writer)
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
    for number, condition in enumerate(_joined(definition, catalogue)):
        name = f"part_{number}"
        if isinstance(condition, BehaviourCondition):
            tables.append(_times(name, condition, writer, sample))
        else:
            tables.append(_revenue(name, condition, writer))
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
    parts.append(sql.SQL("\nwhere\n    {}").format(_test(definition, _Names(definition, catalogue, writer))))
    if sample is not None:
        parts.append(sql.SQL("\n    and {}").format(in_sample))
    return sql.Composed(parts)


def _joined(definition: Definition, catalogue: Catalogue) -> list[BehaviourCondition | ColumnCondition]:
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
        wanted.append(sql.SQL("{} >= {}").format(happened_at, _start_of(condition.since)))
    if sample is not None:
        # An array is looked up in the index of every table, also below a view; a join might not be.
        wanted.append(sql.SQL("facts.customer_id = any(array(select customer_id from sample))"))
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


def _revenue(name: str, condition: ColumnCondition, writer: Writer) -> sql.Composable:
    assert condition.currency is not None
    return sql.SQL(
        "{name} as (\n    select facts.*\n    from {relation} as facts\n"
        "    where facts.currency = {currency}\n)"
    ).format(
        name=sql.SQL(name),
        relation=writer.relation("customer_revenue"),
        currency=writer.value(condition.currency),
    )


class _Names:
    """How a condition's value is called in the query."""

    def __init__(self, definition: Definition, catalogue: Catalogue, writer: Writer) -> None:
        self.catalogue = catalogue
        self.writer = writer
        self._parts = {
            _part_key(condition, catalogue): f"part_{number}"
            for number, condition in enumerate(_joined(definition, catalogue))
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


def _test(condition: Condition, names: _Names) -> sql.Composable:
    """True where the condition holds; false or null where not, which is the same between `and` and `or`."""
    if isinstance(condition, Group):
        joint = sql.SQL("\n    and " if condition.match == "all" else "\n    or ")
        return sql.SQL("({})").format(joint.join([_test(one, names) for one in condition.conditions]))
    if isinstance(condition, BehaviourCondition):
        comparison = {"at_least": ">=", "at_most": "<=", "exactly": "="}[condition.times]
        return sql.SQL("{} {} {}").format(
            names.times(condition),
            sql.SQL(comparison),
            sql.SQL(str(condition.count)),
        )
    column = names.catalogue.columns[condition.column]
    return _column_test(condition, column, names)


def _column_test(condition: ColumnCondition, column: Column, names: _Names) -> sql.Composable:
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
        return sql.SQL("{} {} {}").format(name, sql.SQL(operator), _start_of(condition.day))
    assert condition.value is not None
    if column.kind in ("number", "money"):
        number = decimal_of(condition.value)
        assert number is not None
        return sql.SQL("{} {} {}").format(name, sql.SQL(_COMPARISONS[test]), writer.value(number))
    return sql.SQL(_TEXTS[test]).format(name, writer.value(condition.value))


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


def _start_of(day: datetime.date) -> sql.Composable:
    return sql.SQL(f"cast('{day.isoformat()} 00:00:00+00' as timestamptz)")


def _reason(definition: Definition, catalogue: Catalogue, writer: Writer) -> sql.Composable:
    """What holds of the conditions, with the customer's own values; never null for a member."""
    names = _Names(definition, catalogue, writer)
    facts = []
    for place, condition in leaves_of(definition):
        fact = _fact(condition, names)
        if not _is_certain(definition, place):
            fact = sql.SQL("case when {} then {} end").format(_test(condition, names), fact)
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


def _fact(condition: Condition, names: _Names) -> sql.Composable:
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


def period_in_words(condition: BehaviourCondition) -> str:
    """` in the last 30 days`, ` since 2026-01-01`, or nothing."""
    if condition.within_days is not None:
        return f" in the last {condition.within_days} {'day' if condition.within_days == 1 else 'days'}"
    return f" since {condition.since}" if condition.since is not None else ""
