"""What a segment made in the pages is: a closed grammar of conditions, kept as JSON in segments.definitions.

Values are data: text stays the text that was typed, whatever it looks like. docs/segment-builder.md has the
grammar for readers.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

DEPTH = 3  # the outermost group, groups in it, and groups in those
MOST_CONDITIONS = 30
MOST_VALUES = 100

Test = Literal[
    "equals",
    "not_equals",
    "one_of",
    "none_of",
    "contains",
    "starts_with",
    "at_least",
    "at_most",
    "within_days",
    "before_days",
    "since",
    "before",
    "is_true",
    "is_false",
    "has",
    "has_not",
    "known",
    "unknown",
]

# What each test is given; those that are not here are given nothing.
ARGUMENTS: dict[str, str] = {
    "equals": "value",
    "not_equals": "value",
    "contains": "value",
    "starts_with": "value",
    "at_least": "value",
    "at_most": "value",
    "has": "value",
    "has_not": "value",
    "one_of": "values",
    "none_of": "values",
    "within_days": "days",
    "before_days": "days",
    "since": "day",
    "before": "day",
}

Name = Annotated[str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$")]
# PostgreSQL keeps no text with a zero byte in it.
Text = Annotated[str, Field(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
Days = Annotated[int, Field(ge=1, le=36_500, strict=True)]
Day = Annotated[datetime.date, Field(ge=datetime.date(1900, 1, 1), le=datetime.date(2200, 1, 1))]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnCondition(_Part):
    """What a column of a customer must be. Where it is not known, every test fails but `unknown`.

    Numbers are written as text ("12.50"), so that no money becomes a float.
    """

    column: Name
    test: Test
    value: Text | None = None
    values: Annotated[list[Text], Field(min_length=1, max_length=MOST_VALUES)] | None = None
    days: Days | None = None
    day: Day | None = None
    currency: Currency | None = None

    @model_validator(mode="after")
    def _given_what_it_takes(self) -> "ColumnCondition":
        takes = ARGUMENTS.get(self.test)
        given = {name for name in ("value", "values", "days", "day") if getattr(self, name) is not None}
        if given != ({takes} if takes else set()):
            raise ValueError(f"{self.test} takes {takes or 'nothing'}")
        return self


class BehaviourCondition(_Part):
    """What a customer did, or did not do: how often, and in which time."""

    did: Literal["order", "buy", "return", "visit", "cart", "ticket", "survey", "mailed", "opened", "clicked"]
    times: Literal["at_least", "at_most", "exactly"] = "at_least"
    count: Annotated[int, Field(ge=0, le=100_000, strict=True)] = 1
    within_days: Days | None = None
    since: Day | None = None
    which: Text | None = Field(
        default=None, description="buy: `product` or `category`; visit: a channel; and so on."
    )
    which_is: Literal["product", "category", "channel", "metric"] | None = None

    @model_validator(mode="after")
    def _one_period(self) -> "BehaviourCondition":
        if self.within_days is not None and self.since is not None:
            raise ValueError("give either within_days or since")
        if (self.which is None) != (self.which_is is None):
            raise ValueError("which and which_is belong together")
        if self.which_is is not None and self.which_is not in NARROWED_BY.get(self.did, ()):
            raise ValueError(f"{self.did} is not narrowed by {self.which_is}")
        return self


# By what each behaviour may be narrowed.
NARROWED_BY: dict[str, tuple[str, ...]] = {
    "buy": ("product", "category"),
    "visit": ("channel",),
    "cart": ("channel",),
    "ticket": ("category",),
    "survey": ("metric",),
}


def _sort_of(part: Any) -> str:
    if isinstance(part, BaseModel):
        part = part.model_fields_set
    if "match" in part:
        return "group"
    return "behaviour" if "did" in part else "column"


Condition = Annotated[
    Annotated[ColumnCondition, Tag("column")]
    | Annotated[BehaviourCondition, Tag("behaviour")]
    | Annotated["Group", Tag("group")],
    Discriminator(_sort_of),
]


class Group(_Part):
    """Conditions of which all must hold, or any."""

    match: Literal["all", "any"]
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=MOST_CONDITIONS)]


class Definition(Group):
    """The outermost group."""

    @model_validator(mode="after")
    def _of_a_size(self) -> "Definition":
        leaves = list(leaves_of(self))
        if len(leaves) > MOST_CONDITIONS:
            raise ValueError(f"{len(leaves)} conditions; {MOST_CONDITIONS} are the most")
        if any(len(place) > DEPTH for place, _ in leaves):
            raise ValueError(f"groups lie in one another at most {DEPTH} deep")
        return self


class Mistake(NamedTuple):
    """What is wrong with the condition at a place: (1, 0) is the first one of the second one, a group."""

    place: tuple[int, ...]
    sentence: str


Leaf = ColumnCondition | BehaviourCondition


def leaves_of(group: Group, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Leaf]]:
    """Each condition that is no group, with its place."""
    for number, condition in enumerate(group.conditions):
        if isinstance(condition, Group):
            yield from leaves_of(condition, (*place, number))
        else:
            yield (*place, number), condition


def read_definition(content: Any) -> Definition | list[Mistake]:
    """A definition from its JSON, or what is wrong with it."""
    if _depth(content) > DEPTH:
        return [Mistake((), f"groups lie in one another at most {DEPTH} deep")]
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        return [
            Mistake(tuple(part for part in fault["loc"] if isinstance(part, int)), _sentence(fault))
            for fault in error.errors()
        ]


def decimal_of(text: str) -> Decimal | None:
    """The number that a text is; None where it is none, or none that a database keeps."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 and len(text) < 40 else None


def _depth(content: Any) -> int:
    """How deep groups lie in one another, asked before anything recurses into them."""
    level, depth = [content], 0
    while level := [part for part in level if isinstance(part, dict) and "match" in part]:
        depth += 1
        if depth > DEPTH:
            break
        inner = [part.get("conditions") for part in level]
        level = [one for parts in inner if isinstance(parts, list) for one in parts]
    return depth


# What pydantic says, said to whoever fills in the form.
_SENTENCES = {
    "int_type": "write a whole number",
    "int_from_float": "write a whole number",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "date_from_datetime_parsing": "choose a day",
    "date_parsing": "choose a day",
    "date_type": "choose a day",
    "string_too_short": "write something",
    "string_too_long": "is longer than 200 characters",
    "string_type": "write something",
    "too_short": "choose at least one",
    "missing": "is missing",
}


def _sentence(fault: Any) -> str:
    named = [part for part in fault["loc"] if isinstance(part, str)]
    where = named[-1].replace("_", " ") if named and named[-1] not in ("column", "behaviour", "group") else ""
    said = _SENTENCES.get(fault["type"], str(fault["msg"]).removeprefix("Value error, "))
    if where == "conditions" and fault["type"] == "too_short":
        said = "add a condition"
        where = ""
    return f"{where}: {said}" if where else said
