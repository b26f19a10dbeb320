"""`audience.where`: conditions on columns of marts.customers, a closed grammar with bound values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from rapport.campaigns.campaign import Condition
from rapport.campaigns.files import nearest

_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")

# What a condition may ask of a column, by what the column holds.
_TESTS = {
    "number": ("equals", "one_of", "at_least", "at_most", "is_null"),
    "time": ("equals", "one_of", "at_least", "at_most", "within", "before", "is_null"),
    "text": ("equals", "one_of", "is_null"),
    "boolean": ("equals", "is_null"),
    "record": ("is_null",),
}
_CASTS = {"number": "numeric", "time": "timestamptz", "text": "text", "boolean": "boolean"}
_COMPARISONS = {"equals": "=", "at_least": ">=", "at_most": "<="}


def customer_columns(connection: psycopg.Connection) -> dict[str, str]:
    """The type of each column of marts.customers, by name; empty where it is not built yet."""
    rows = connection.execute(
        """
        select column_name::text, data_type::text from information_schema.columns
        where table_schema = 'marts' and table_name = 'customers'
        order by ordinal_position
        """
    ).fetchall()
    return dict(rows)


def condition_mistakes(where: Mapping[str, Condition], columns: Mapping[str, str]) -> list[str]:
    """What is wrong with the conditions, one sentence a mistake, each beginning with its key.

    Args:
        columns: of `customer_columns`; where it is empty nothing can be said.
    """
    if not columns:
        return []
    return [
        f"audience.where.{column}{sentence}"
        for column, condition in where.items()
        for sentence in _mistakes(column, condition, columns)
    ]


def conditions_sql(
    where: Mapping[str, Condition], columns: Mapping[str, str], moment: sql.Composable
) -> tuple[sql.Composable, dict[str, Any]]:
    """An expression over the row `customers`, and its parameters; true or false, never null.

    `moment` is what `within` and `before` count back from.
    """
    tests: list[sql.Composable] = []
    parameters: dict[str, Any] = {}
    for column, condition in where.items():
        name, kind = sql.Identifier("customers", column), _kind(columns[column])
        for test in sorted(condition.model_fields_set):
            value = getattr(condition, test)
            if value is None:
                continue
            if test == "is_null":
                tests.append(sql.SQL("{} is {}null").format(name, sql.SQL("" if value else "not ")))
                continue
            bound = f"where_{len(parameters)}"
            parameters[bound] = [str(one) for one in value] if test == "one_of" else value
            tests.append(_test(name, test, kind, sql.Placeholder(bound), moment))
    if not tests:
        return sql.SQL("true"), {}
    return sql.SQL("coalesce({}, false)").format(sql.SQL(" and ").join(tests)), parameters


def _test(
    name: sql.Composable, test: str, kind: str, value: sql.Placeholder, moment: sql.Composable
) -> sql.Composable:
    if test == "within":
        return sql.SQL("{} >= {} - {}::interval").format(name, moment, value)
    if test == "before":
        return sql.SQL("{} <= {} - {}::interval").format(name, moment, value)
    cast = sql.SQL(_CASTS[kind])
    if test == "one_of":
        return sql.SQL("{} = any({}::text[]::{}[])").format(name, value, cast)
    return sql.SQL("{} {} {}::{}").format(name, sql.SQL(_COMPARISONS[test]), value, cast)


def _mistakes(column: str, condition: Condition, columns: Mapping[str, str]) -> list[str]:
    if column not in columns:
        return [f": marts.customers has no column {column}{nearest(column, list(columns))}"]
    kind = _kind(columns[column])
    sentences = []
    for test in sorted(condition.model_fields_set):
        value = getattr(condition, test)
        if value is None:
            continue
        if test not in _TESTS[kind]:
            sentences.append(
                f".{test}: {column} is {columns[column]}; what can be asked of it: {', '.join(_TESTS[kind])}"
            )
        elif test in ("equals", "one_of", "at_least", "at_most"):
            wrong = [one for one in (value if isinstance(value, list) else [value]) if not _fits(one, kind)]
            sentences += [
                f".{test}: {one!r} is no {_written(kind)}; {column} is {columns[column]}" for one in wrong
            ]
    return sentences


def _kind(data_type: str) -> str:
    if data_type in _NUMBERS:
        return "number"
    if data_type in _TIMES:
        return "time"
    return {"text": "text", "character varying": "text", "boolean": "boolean"}.get(data_type, "record")


def _fits(value: bool | int | float | str, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if kind == "time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
    return True


def _written(kind: str) -> str:
    return {
        "number": "number",
        "boolean": "true or false",
        "text": "text (put it in quotes)",
        "time": "time like '2026-01-31' (put it in quotes)",
    }[kind]
