"""How what somebody typed gets into SQL: bound to a query, or as a literal that is nothing but a literal."""

import datetime
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from psycopg import sql


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
