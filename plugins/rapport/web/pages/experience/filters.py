"""Which tickets and answers count: those of a channel, a category and a team."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, LiteralString
from urllib.parse import urlencode

import psycopg
from fastapi import Depends

NOT_TOLD = "~"  # in an address: those of which nobody told; an empty value means all
GROUPS: tuple[LiteralString, ...] = ("channel", "category", "team")


@dataclass(frozen=True)
class Filter:
    """Chosen values, by name; None = all."""

    chosen: Mapping[str, str]

    @property
    def conditions(self) -> LiteralString:
        """What follows `where …` and begins with `and`, for a relation with the three columns."""
        return "".join(_condition(name, self.chosen[name]) for name in GROUPS if name in self.chosen)

    @property
    def values(self) -> dict[str, str]:
        """The values that the conditions ask for."""
        return {f"chosen_{name}": value for name, value in self.chosen.items()}

    @property
    def is_any(self) -> dict[str, bool]:
        """Which group of marts.service_times has these tickets."""
        return {f"any_{name}": name not in self.chosen for name in GROUPS}

    def but_for(self, name: str, value: str | None) -> "Filter":
        """The same with another value; None as a value means those of which it is not told."""
        return Filter({**self.chosen, name: NOT_TOLD if value is None else value})

    def address(self, root: str, path: str, **more: Any) -> str:
        """A link to a page with this filter."""
        query = {name: value for name, value in more.items() if value is not None}
        return f"{root}/experience{path}?{urlencode({**query, **self.chosen})}".removesuffix("?")


def chosen_filter(channel: str = "", category: str = "", team: str = "") -> Filter:
    """The filter that the address asks for."""
    given = {"channel": channel, "category": category, "team": team}
    return Filter({name: value for name, value in given.items() if value})


Chosen = Annotated[Filter, Depends(chosen_filter)]


def options(
    connection: psycopg.Connection, relation: LiteralString, since: LiteralString, first: Any
) -> dict[str, Sequence[str | None]]:
    """By name, the values since `first` that can be chosen; None = not told. Of one there is no choice."""
    query: LiteralString = f"select distinct channel, category, team from {relation} where {since} >= %s"
    rows = connection.execute(query, [first]).fetchall()
    found = {name: {row[place] for row in rows} for place, name in enumerate(GROUPS)}
    return {
        name: sorted(values, key=lambda value: (value is None, value or ""))
        for name, values in found.items()
        if len(values) > 1
    }


def _condition(name: LiteralString, value: str) -> LiteralString:
    return f" and {name} is null" if value == NOT_TOLD else f" and {name} = %(chosen_{name})s"
