"""What the form holds while somebody fills it in: a definition that need not be finished or right.

It travels whole with every request, as fields of the form or as JSON in the address; the server keeps none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from starlette.datastructures import FormData

from rapport.audiences.customer_columns import Catalogue
from rapport.audiences.definition import ARGUMENTS, DEPTH, MOST_CONDITIONS, NARROWED_BY, Definition

Place = tuple[int, ...]
ROOT = "c"
LONGEST_ADDRESS = 3500  # characters of a definition in a link


@dataclass
class Row:
    """A condition as its fields hold it; those that its test does not ask for keep what was typed before."""

    what: str = ""
    test: str = ""
    value: str = ""
    values: list[str] = field(default_factory=list)
    days: str = ""
    day: str = ""
    currency: str = ""
    times: str = "at_least"
    count: str = "1"
    period: str = "ever"
    within_days: str = "30"
    since: str = ""
    which_is: str = ""
    which: str = ""


@dataclass
class Box:
    """A group."""

    match: Literal["all", "any"] = "all"
    parts: "list[Row | Box]" = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many conditions are in it and in its groups."""
        return sum(part.size if isinstance(part, Box) else 1 for part in self.parts)


def name_of(place: Place) -> str:
    """What the fields of a condition begin with: c for the outermost group, c_1_0 for one of its second."""
    return "_".join((ROOT, *map(str, place)))


def of_form(form: FormData) -> Box:
    """The draft that a form holds."""
    box = _of_form(form, ())
    return box if isinstance(box, Box) else Box()


def _of_form(form: FormData, place: Place) -> Row | Box:
    name = name_of(place)
    if f"{name}-match" not in form and place:
        texts = {key: _text(form.get(f"{name}-{key}")) for key in asdict(Row()) if key != "values"}
        given = {key: text for key, text in texts.items() if text is not None}
        values = [text for text in map(_text, form.getlist(f"{name}-values")) if text]
        lines = (_text(form.get(f"{name}-lines")) or "").splitlines()
        return Row(**given, values=values + [line for line in lines if line.strip()])
    box = Box("any" if form.get(f"{name}-match") == "any" else "all")
    for number in range(MOST_CONDITIONS + 1):
        inner = name_of((*place, number))
        if len(place) > DEPTH or not (f"{inner}-match" in form or f"{inner}-what" in form):
            break
        box.parts.append(_of_form(form, (*place, number)))
    return box


def _text(value: Any) -> str | None:
    return value.replace("\r\n", "\n") if isinstance(value, str) else None


def changed(box: Box, action: str) -> Place | None:
    """Do what a button of the form says: `add:c_1`, `group:c`, `remove:c_0`. Returns where to type on."""
    verb, _, name = action.partition(":")
    place = tuple(int(part) for part in name.split("_")[1:] if part.isdigit())
    if verb in ("add", "group"):
        group = _at(box, place)
        if not isinstance(group, Box) or box.size >= MOST_CONDITIONS:
            return None
        if verb == "group" and len(place) + 1 >= DEPTH:
            return None
        group.parts.append(Box("any", [Row()]) if verb == "group" else Row())
        return (*place, len(group.parts) - 1)
    if verb == "remove" and place:
        group = _at(box, place[:-1])
        if isinstance(group, Box) and place[-1] < len(group.parts):
            del group.parts[place[-1]]
            return place[:-1]
    return None


def _at(box: Box, place: Place) -> Row | Box | None:
    found: Row | Box = box
    for number in place:
        if not isinstance(found, Box) or number >= len(found.parts):
            return None
        found = found.parts[number]
    return found


def settle(box: Box, catalogue: Catalogue) -> None:
    """Make choices that no longer fit what was chosen before them fit again."""
    for part in box.parts:
        if isinstance(part, Box):
            settle(part, catalogue)
            continue
        kind, _, name = part.what.partition(":")
        if kind == "did":
            ways = NARROWED_BY.get(name, ())
            if part.which_is not in ways:
                part.which_is = ways[0] if name == "buy" else ""
                part.which = ""
        elif name in catalogue.columns:
            column = catalogue.columns[name]
            if part.test not in column.tests:
                part.test, part.value, part.values = column.tests[0], "", []
            if column.kind == "money" and not column.is_amount:
                part.currency = catalogue.reporting_currency or ""
            elif column.is_amount and part.currency not in catalogue.currencies:
                part.currency = catalogue.currencies[0] if catalogue.currencies else ""


def content_of(box: Box, catalogue: Catalogue) -> dict[str, Any]:
    """The JSON that the grammar checks; what is not filled in is missing from it, or wrong as typed."""
    return {
        "match": box.match,
        "conditions": [
            content_of(part, catalogue) if isinstance(part, Box) else _condition(part, catalogue)
            for part in box.parts
        ],
    }


def _condition(row: Row, catalogue: Catalogue) -> dict[str, Any]:
    kind, _, name = row.what.partition(":")
    if kind == "did":
        content: dict[str, Any] = {"did": name}
        if row.times == "never":
            content |= {"times": "exactly", "count": 0}
        else:
            content |= {"times": row.times, "count": _number(row.count)}
        if row.period == "within_days":
            content["within_days"] = _number(row.within_days)
        if row.period == "since":
            content["since"] = row.since
        if row.which_is:
            content |= {"which_is": row.which_is, "which": row.which}
        return content
    content = {"column": name, "test": row.test}
    argument = ARGUMENTS.get(row.test)
    if argument == "days":
        content["days"] = _number(row.days)
    elif argument is not None:
        content[argument] = {"value": row.value, "values": row.values, "day": row.day}[argument]
    column = catalogue.columns.get(name)
    if column is not None and column.kind == "money" and (argument or column.is_amount):
        content["currency"] = row.currency
    return content


def _number(text: str) -> int | str:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 10 else text


def of_content(content: Any, depth: int = 0) -> Box:
    """The draft of a definition's JSON, or of what looks like one."""
    if isinstance(content, Definition):
        content = content.model_dump(mode="json", exclude_defaults=True)
    if not isinstance(content, dict) or depth > DEPTH:
        return Box()
    parts = content.get("conditions")
    box = Box("any" if content.get("match") == "any" else "all")
    for part in parts[: MOST_CONDITIONS + 1] if isinstance(parts, list) else ():
        if isinstance(part, dict):
            box.parts.append(of_content(part, depth + 1) if "match" in part else _row(part))
    return box


def _row(content: dict[str, Any]) -> Row:
    def text(key: str, default: str = "") -> str:
        value = content.get(key)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else default

    values = content.get("values")
    row = Row(
        what=f"did:{text('did')}" if "did" in content else f"column:{text('column')}",
        test=text("test"),
        value=text("value"),
        values=[one for one in values if isinstance(one, str)] if isinstance(values, list) else [],
        days=text("days"),
        day=text("day"),
        currency=text("currency"),
        times=text("times", "at_least"),
        count=text("count", "1"),
        which_is=text("which_is"),
        which=text("which"),
    )
    if (row.times, row.count) == ("exactly", "0"):
        row.times, row.count = "never", "1"
    if "within_days" in content:
        row.period, row.within_days = "within_days", text("within_days")
    if "since" in content:
        row.period, row.since = "since", text("since")
    return row


def of_address(text: str) -> Box | None:
    """The draft in a link; None where there is none that can be read."""
    try:
        return of_content(json.loads(text)) if text and len(text) <= 4 * LONGEST_ADDRESS else None
    except (ValueError, RecursionError):
        return None


def in_address(box: Box, catalogue: Catalogue) -> str | None:
    """The draft for a link; None where it is too long for one."""
    text = json.dumps(content_of(box, catalogue), separators=(",", ":"), ensure_ascii=False)
    return text if len(text) <= LONGEST_ADDRESS else None


def places(box: Box, place: Place = ()) -> Sequence[Place]:
    """The place of each condition that is no group, in the order of the page."""
    found: list[Place] = []
    for number, part in enumerate(box.parts):
        here = (*place, number)
        found += places(part, here) if isinstance(part, Box) else [here]
    return found
