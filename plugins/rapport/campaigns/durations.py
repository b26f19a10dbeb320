"""Lengths of time as files write them: 90d, 36h, 30m, 2w."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PATTERN = r"^[1-9][0-9]{0,4}[mhdw]$"


def parse_duration(value: Any) -> timedelta:
    """`90d` → 90 days; a timedelta stays as it is. Raises ValueError on anything else."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.match(_PATTERN, value):
        raise ValueError(f"{value!r} is no length of time; write a number and m, h, d or w, like 90d")
    return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})


def write_duration(value: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back."""
    minutes = round(value.total_seconds() / 60)
    for unit, size in (("w", 10_080), ("d", 1_440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["90d", "36h"]}),
]


def _wait(value: Any) -> timedelta:
    is_nothing = isinstance(value, str) and re.match(r"^0[mhdw]$", value)
    return timedelta(0) if is_nothing else parse_duration(value)


# A length of time that may be none: 0m.
Wait = Annotated[
    timedelta,
    BeforeValidator(_wait),
    PlainSerializer(lambda value: write_duration(value) if value else "0m"),
    WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]{0,4})[mhdw]$", "examples": ["3d", "0m"]}),
]
