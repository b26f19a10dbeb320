"""References to source columns, also into nested values: `customer.address.city`, `tags[0]`,
`answers[field.ref=nps].number`, `line_items[].id`.

A column whose whole name is the reference always wins, so `Amount [EUR]` and `page.url` stay what they are.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

EACH = "[]"
PLACE = "[#]"


class Number(str):
    """A JSON number with a point or an exponent, as it was written."""

    __slots__ = ()


@dataclass(frozen=True)
class Where:
    """The first element of a list whose value at `keys` is `value`."""

    keys: tuple[str, ...]
    value: str


Step = str | int | Where
_STEP = re.compile(r"\.([^.\[\]]+)|\[(-?[0-9]{1,6})\]|\[([^\[\]=]+)=([^\[\]]*)\]|(\[\])|(\[#\])")
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Number)


@dataclass(frozen=True)
class Reference:
    """`steps` lead from the value of the source column `root` to the one that is meant."""

    root: str
    steps: tuple[Step, ...] = ()


@lru_cache(maxsize=4096)
def _steps(written: str) -> tuple[Step, ...] | None:
    """The steps that a text such as `.address.city` or `[0].id` says; None where it says none."""
    steps: list[Step] = []
    position = 0
    while position < len(written):
        match = _STEP.match(written, position)
        if match is None:
            return None
        key, index, keys, value, each, place = match.groups()
        if each or place:
            steps.append(match[0])
        elif keys is not None:
            steps.append(Where(tuple(keys.split(".")), value))
        else:
            steps.append(key if index is None else int(index))
        position = match.end()
    return tuple(steps)


def resolve(reference: str, columns: Collection[str]) -> Reference | None:
    """What `reference` means where the source has these columns; None where it means nothing there."""
    if reference in columns:
        return Reference(reference)
    cuts = [at for at, sign in enumerate(reference) if at and sign in ".["]
    for cut in reversed(cuts):
        if reference[:cut] in columns:
            steps = _steps(reference[cut:])
            if steps is not None:
                return Reference(reference[:cut], steps)
    return None


def decode(text: str) -> Any:
    """The JSON value, with `Number` where a float would lose digits.

    Raises:
        ValueError: the text is no JSON. RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(text)


def walk(value: Any, steps: tuple[Step, ...]) -> Any:
    """The value that the steps lead to; None where they lead nowhere."""
    for step in steps:
        match step:
            case str():
                value = value.get(step) if isinstance(value, dict) else None
            case int():
                value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
            case Where(keys, wanted):
                elements = value if isinstance(value, list) else []
                value = next((e for e in elements if as_text(walk(e, keys)) == wanted), None)
        if value is None:
            return None
    return value


def as_text(value: Any) -> str | None:
    """A value as a column holds it: texts and numbers as they are, the rest as JSON; null and "" are none."""
    if isinstance(value, str):
        return str(value) or None
    return None if value is None else as_json(value)


def as_json(value: Any) -> str:
    """JSON text with every number as it was written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_json(key)}: {as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return msgspec.json.encode(value).decode()
