"""What can be asked of a customer: the columns of the customer view, typed, with the values that occur."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import psycopg
from psycopg import sql

from rapport.audiences.definition import (
    ARGUMENTS,
    BehaviourCondition,
    ColumnCondition,
    Definition,
    Mistake,
    decimal_of,
    leaves_of,
)

Kind = Literal["text", "choice", "number", "money", "date", "boolean", "list"]

# What may be asked of a column, by what it holds.
TESTS: dict[Kind, tuple[str, ...]] = {
    "text": ("equals", "not_equals", "one_of", "none_of", "contains", "starts_with", "known", "unknown"),
    "choice": ("one_of", "none_of", "equals", "not_equals", "contains", "starts_with", "known", "unknown"),
    "number": ("at_least", "at_most", "equals", "not_equals", "known", "unknown"),
    "money": ("at_least", "at_most", "equals", "not_equals", "known", "unknown"),
    "date": ("within_days", "before_days", "since", "before", "known", "unknown"),
    "boolean": ("is_true", "is_false", "unknown"),
    "list": ("has", "has_not"),
}
_TYPES: dict[str, Kind] = {
    "text": "text",
    "character varying": "text",
    "smallint": "number",
    "integer": "number",
    "bigint": "number",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "timestamp with time zone": "date",
    "date": "date",
    "boolean": "boolean",
    "jsonb": "list",
}
# Amounts in the currency that the row names in reporting_currency.
_MONEY = ("gross_revenue", "returned_amount", "discount_amount", "net_revenue", "average_order_value")
# Amounts of the orders in one currency, from marts.customer_revenue; zero for whoever has none in it.
_AMOUNTS = {
    "gross_amount": "gross revenue of the orders in one currency",
    "net_amount": "net revenue of the orders in one currency",
}
# Who could read who somebody is out of a segment's name and size must not: segments are for everybody.
WHO_SOMEBODY_IS = ("email", "phone", "first_name", "last_name")
# What viewers do not see of a customer is not told in a reason either.
PERSONAL = (*WHO_SOMEBODY_IS, "city", "postal_code", "company_name")
_LEFT_OUT = ("customer_id", "reporting_currency", "company_key")
_SPELLED = {
    "email": "e-mail address",
    "phone": "phone number",
    "last_seen": "last visit",
    "last_emailed": "last e-mail",
    "nps_group": "NPS group",
    "last_nps_score": "last NPS score",
    "last_csat_score": "last CSAT score",
    "session_count": "visit count",
    "gross_amount": "gross revenue of orders",
    "net_amount": "net revenue of orders",
}
MOST_CHOICES = 60
SMALL_TABLE = 50_000  # rows; values of larger ones are read from the statistics


@dataclass(frozen=True)
class Column:
    """A column of marts.customers, or an amount of marts.customer_revenue; `values` are those that occur."""

    name: str
    kind: Kind
    meaning: str = ""
    values: tuple[str, ...] = ()
    is_amount: bool = False

    @property
    def tests(self) -> tuple[str, ...]:
        return ("known", "unknown") if self.name in WHO_SOMEBODY_IS else TESTS[self.kind]

    @property
    def label(self) -> str:
        return label_of(self.name)


def label_of(column: str) -> str:
    """The name of a column as people say it."""
    name = column.removesuffix("_at")
    return _SPELLED.get(name, name.replace("_", " ").replace("email", "e-mail"))


@dataclass(frozen=True)
class Catalogue:
    """All that can be asked as of a view; the values by which behaviours are narrowed are suggestions."""

    columns: Mapping[str, Column]
    reporting_currency: str | None = None
    currencies: tuple[str, ...] = ()
    narrowed_by: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    products: Mapping[str, str] = field(default_factory=dict)


def read_columns(connection: psycopg.Connection) -> Catalogue:
    """The columns and the currency, without the values that occur: what a definition is checked against."""
    rows = connection.execute(
        """
        select
            attname::text, format_type(atttypid, null), coalesce(col_description(attrelid, attnum), '')
        from pg_attribute
        where attrelid = to_regclass('marts.customers') and attnum > 0 and not attisdropped
        order by attnum
        """
    ).fetchall()
    if not rows:
        return Catalogue({})
    columns = {
        name: Column(name, "money" if name in _MONEY else _TYPES[type_name], meaning)
        for name, type_name, meaning in rows
        if type_name in _TYPES and name not in _LEFT_OUT
    }
    columns |= {
        name: Column(name, "money", meaning, is_amount=True)
        for name, meaning in _AMOUNTS.items()
        if name not in columns
    }
    currency = None
    if any(name == "reporting_currency" for name, _, _ in rows):
        row = connection.execute("select reporting_currency from marts.customers limit 1").fetchone()
        currency = row[0] if row else None
    return Catalogue(columns, currency)


def read_catalogue(connection: psycopg.Connection) -> Catalogue:
    """The columns with the values that occur, for forms to offer."""
    plain = read_columns(connection)
    columns = dict(plain.columns)
    for name, column in plain.columns.items():
        if column.kind == "text" and name not in PERSONAL:
            values = _values(connection, "customers", name)
            if values:
                columns[name] = Column(name, "choice", column.meaning, values)
        if column.kind == "list":
            columns[name] = Column(name, "list", column.meaning, _values(connection, "consents", "topic"))
    categories = _distinct(connection, "products", "category")
    return Catalogue(
        columns,
        plain.reporting_currency,
        _values(connection, "customer_revenue", "currency"),
        {
            ("buy", "category"): categories,
            ("visit", "channel"): _values(connection, "sessions", "channel"),
            ("cart", "channel"): _values(connection, "sessions", "channel"),
            ("ticket", "category"): _some_ticket_categories(connection),
            ("survey", "metric"): ("nps", "csat", "ces"),
        },
        dict(
            connection.execute(
                """
                select product_key, coalesce(product_name, product_id) from marts.products
                order by customer_count desc, product_key limit 300
                """
            ).fetchall()
        ),
    )


def mistakes_in(definition: Definition, catalogue: Catalogue) -> list[Mistake]:
    """What of a definition does not fit the customer view as it is."""
    return [
        Mistake(place, sentence)
        for place, condition in leaves_of(definition)
        for sentence in (
            _behaviour_mistakes(condition)
            if isinstance(condition, BehaviourCondition)
            else _column_mistakes(condition, catalogue)
        )
    ]


def _behaviour_mistakes(condition: BehaviourCondition) -> Iterator[str]:
    if condition.did == "buy" and condition.which is None:
        yield "say which product or category"


def _column_mistakes(condition: ColumnCondition, catalogue: Catalogue) -> Iterator[str]:
    name = condition.column
    if name not in catalogue.columns:
        near = get_close_matches(name, catalogue.columns, n=1)
        yield f"customers have no column {name}" + (f"; did you mean {near[0]}?" if near else "")
        return
    column = catalogue.columns[name]
    if condition.test not in column.tests and condition.test not in TESTS[column.kind]:
        yield (
            f"{name} is {_written(column.kind)} and cannot be asked {condition.test}; it can be asked: "
            + ", ".join(column.tests)
        )
        return
    if condition.test not in column.tests:
        yield (
            f"{name} says who somebody is, and everybody may read what segments there are; it can only be "
            "known or unknown here (the customers' page searches for it)"
        )
        return
    if column.kind in ("number", "money") and ARGUMENTS.get(condition.test) == "value":
        assert condition.value is not None
        if decimal_of(condition.value) is None:
            yield f"{condition.value} is no number; write one like 1250 or 12.50"
    yield from _currency_mistakes(condition, column, catalogue)


def _currency_mistakes(condition: ColumnCondition, column: Column, catalogue: Catalogue) -> Iterator[str]:
    if column.kind != "money":
        if condition.currency is not None:
            yield f"{column.name} is no money and has no currency"
    elif condition.currency is None:
        if ARGUMENTS.get(condition.test) or column.is_amount:
            yield f"{column.name} is money: say in which currency"
    elif not column.is_amount and condition.currency != catalogue.reporting_currency:
        yield (
            f"{column.name} is in {catalogue.reporting_currency} and not in {condition.currency}; "
            f"net_amount has what was ordered in {condition.currency}"
        )


def _written(kind: Kind) -> str:
    return {
        "text": "text",
        "choice": "text",
        "number": "a number",
        "money": "money",
        "date": "a time",
        "boolean": "yes or no",
        "list": "a list",
    }[kind]


def _values(connection: psycopg.Connection, table: str, column: str) -> tuple[str, ...]:
    """The values of a column if they are few: of a large table those that its statistics name."""
    row = connection.execute(
        """
        select
            (select reltuples from pg_class where oid = to_regclass(format('marts.%%I', %(table)s::text))),
            n_distinct,
            most_common_vals::text::text[],
            histogram_bounds::text::text[]
        from (values (1)) as one (row)
        left join pg_stats on schemaname = 'marts' and tablename = %(table)s and attname = %(column)s
        """,
        {"table": table, "column": column},
    ).fetchone()
    if row is None or row[0] is None:
        return ()
    rows, distinct, common, rest = row
    if rows < SMALL_TABLE:
        return _distinct(connection, table, column)
    if distinct is None or not 0 < distinct <= MOST_CHOICES:
        return ()
    return tuple(sorted({*(common or []), *(rest or [])}))


def _distinct(connection: psycopg.Connection, table: str, column: str) -> tuple[str, ...]:
    found = connection.execute(
        sql.SQL(
            "select distinct {column} from {table} where {column} is not null order by 1 limit {most}"
        ).format(
            column=sql.Identifier(column),
            table=sql.Identifier("marts", table),
            most=sql.Literal(MOST_CHOICES + 1),
        )
    ).fetchall()
    return tuple(value for (value,) in found) if len(found) <= MOST_CHOICES else ()


def _some_ticket_categories(connection: psycopg.Connection) -> tuple[str, ...]:
    """Tickets are a view, which has no statistics; those of any few thousand will do to choose from."""
    found = connection.execute(
        """
        select distinct category from (select category from marts.tickets limit 5000) as some_tickets
        where category is not null order by category limit 60
        """
    ).fetchall()
    return tuple(category for (category,) in found)
