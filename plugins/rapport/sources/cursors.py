"""How far a table or an API was read: the greatest value of one column, and where the next reading begins.

The next reading begins an overlap before that value, so that what was committed late is not missed. A value
from the future would make everything before it invisible, so no cursor lies after its reading's beginning.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rapport.errors import InputError

Value = datetime | date | int | float | Decimal | str

DEFAULT_OVERLAP = timedelta(minutes=15)
DEFAULT_NUMBERS = 1000  # what a sequence gives to transactions that are under way

_TIME_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d(?::\d\d)?(\.\d{1,6})?)(Z|[+-]\d\d:?\d\d)?")
_DATE_TEXT = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Overlap:
    """How far before its end the next reading begins: of times, and of numbers."""

    time: timedelta = DEFAULT_OVERLAP
    numbers: int = DEFAULT_NUMBERS


def parse_overlap(written: str | None) -> Overlap:
    """`30m`, `26h`, `3d`, or a whole number for a cursor of numbers."""
    if written is None:
        return Overlap()
    if written.isdecimal():
        return Overlap(numbers=int(written), time=timedelta(seconds=int(written)))
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[written[-1]]
    return Overlap(time=timedelta(**{unit: int(written[:-1])}))


def begin_at(end: Value, overlap: Overlap) -> Value:
    """The overlap before `end`, in the way that `end` is written.

    Raises:
        InputError: `end` is neither a time nor a number.
    """
    if isinstance(end, datetime):
        return earlier(end, overlap.time)
    if isinstance(end, date):
        return end - timedelta(days=math.ceil(overlap.time / timedelta(days=1)))
    if isinstance(end, int | float | Decimal):
        return end - overlap.numbers
    return _earlier_text(end, overlap)


def earlier(moment: datetime, by: timedelta) -> datetime:
    """The moment before, or the first that there is."""
    first = datetime.min.replace(tzinfo=moment.tzinfo)
    return moment - by if moment - first > by else first


def later(one: Value | None, other: Value) -> Value:
    """The greater of the two.

    Raises:
        InputError: they are of different kinds.
    """
    if one is None:
        return other
    try:
        return other if other > one else one  # type: ignore[operator]
    except TypeError:
        raise InputError(
            f"the cursor column holds both {type(one).__name__} and {type(other).__name__}; one kind of "
            "values is needed to tell which is the last"
        ) from None


def not_after(end: Value, began: datetime, zone: str | None = None) -> Value:
    """`end`, or the moment the reading began where that is earlier. Times without an offset are in `zone`."""
    local = began.astimezone(ZoneInfo(zone) if zone else UTC)
    if isinstance(end, datetime):
        return min(end, began if end.tzinfo else local.replace(tzinfo=None))
    if isinstance(end, date):
        return min(end, local.date())
    if isinstance(end, str) and (match := _TIME_TEXT.fullmatch(end)):
        moment = datetime.fromisoformat(end)
        limit = began if moment.tzinfo else local.replace(tzinfo=None)
        return (
            end
            if moment <= limit
            else _written_like(match, limit.astimezone(moment.tzinfo) if moment.tzinfo else limit)
        )
    return end


def to_json(end: Value) -> dict[str, str]:
    """The value as JSON that `from_json` reads back as it was."""
    match end:
        case datetime():
            return {"time": end.isoformat()}
        case date():
            return {"date": end.isoformat()}
        case str():
            return {"text": end}
        case _:
            return {"number": str(end)}


def from_json(kept: dict[str, Any]) -> Value:
    """What `to_json` was given."""
    [(kind, written)] = [(k, v) for k, v in kept.items() if k in ("time", "date", "text", "number")]
    match kind:
        case "time":
            return datetime.fromisoformat(written)
        case "date":
            return date.fromisoformat(written)
        case "number":
            number = Decimal(written)
            return int(number) if number == number.to_integral_value() else number
    return str(written)


def _earlier_text(end: str, overlap: Overlap) -> str:
    match = _TIME_TEXT.fullmatch(end)
    if match is not None:
        return _written_like(match, earlier(datetime.fromisoformat(end), overlap.time))
    if _DATE_TEXT.fullmatch(end):
        return str(begin_at(date.fromisoformat(end), overlap))
    raise InputError(
        f"the cursor column holds {end[:40]!r}, which is neither a time nor a number; choose a column that "
        "says when a row was changed"
    )


def _written_like(match: re.Match[str], moment: datetime) -> str:
    """Texts are compared letter by letter, so the limit is written as the column is."""
    fraction = len(match[4] or "")
    clock = moment.strftime("%H:%M:%S.%f" if fraction else "%H:%M:%S")
    clock = clock[: 9 + fraction - 1] if fraction else clock[: len(match[3])]
    return f"{moment:%Y-%m-%d}{match[2]}{clock}{match[5] or ''}"
