"""Which tickets and answers count: those of a channel, a category and a team; answers of a segment, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, LiteralString
from urllib.parse import urlencode

import psycopg
from fastapi import Depends

NOT_TOLD = "~"  # in an address: those of which nobody told; an empty value means all
GROUPS: tuple[LiteralString, ...] = ("channel", "category", "team")
SEGMENT = "segment"
_OF_MEMBERS: LiteralString = (
    "and customer_id in (select customer_id from segments.members where segment = %(chosen_segment)s)"
)


@dataclass(frozen=True)
class Filter:
    """Chosen values, by name; what is not chosen is all. `segment` is chosen for answers alone."""

    chosen: Mapping[str, str]

    @property
    def segment(self) -> str | None:
        """Of whose members now the answers are."""
        return self.chosen.get(SEGMENT)

    @property
    def conditions(self) -> LiteralString:
        """What follows `where …` and begins with `and`, for a relation with the three columns.

        With a segment the relation is one of answers, which say who gave them.
        """
        columns = "".join(_condition(name, self.chosen[name]) for name in GROUPS if name in self.chosen)
        return f"{columns} {_OF_MEMBERS}" if self.segment else columns

    @property
    def values(self) -> dict[str, str]:
        """The values that the conditions ask for."""
        return {f"chosen_{name}": value for name, value in self.chosen.items()}

    @property
    def of_tickets(self) -> "Filter":
        """The same without the segment."""
        return Filter({name: value for name, value in self.chosen.items() if name != SEGMENT})

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


def chosen_answers(channel: str = "", category: str = "", team: str = "", segment: str = "") -> Filter:
    """The filter of answers that the address asks for."""
    chosen = chosen_filter(channel, category, team).chosen
    return Filter({**chosen, SEGMENT: segment} if segment else chosen)


Chosen = Annotated[Filter, Depends(chosen_filter)]
ChosenAnswers = Annotated[Filter, Depends(chosen_answers)]


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


def segments(connection: psycopg.Connection) -> Sequence[str]:
    """Those that the newest run counted."""
    return [
        name
        for (name,) in connection.execute(
            """
            select segment from segments.sizes
            where as_of = (select max(as_of) from segments.sizes)
            order by segment
            """
        )
    ]


def _condition(name: LiteralString, value: str) -> LiteralString:
    return f" and {name} is null" if value == NOT_TOLD else f" and {name} = %(chosen_{name})s"
