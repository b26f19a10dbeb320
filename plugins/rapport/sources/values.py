"""Text → the values of a stream column's type, as PostgreSQL reads them exactly.

Every function here takes distinct, non-null texts and returns a text for each: null where it is none of its
type. Money stays the digits that were written; nothing passes through a float.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.streams import ColumnType

_NUMBER = r"^[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?$"
_INTEGER = r"^[+-]?[0-9]{1,10}(\.0*)?$"
_LARGEST_INTEGER = 2_147_483_647
_SPACES = " \u00a0\u2009\u202f"
_BOOLEANS = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}

EXPECTED = {
    ColumnType.INTEGER: f"is no whole number between -{_LARGEST_INTEGER} and {_LARGEST_INTEGER}",
    ColumnType.NUMERIC: "is no number; one looks like 1234.50, with a point and no other sign between digits",
    ColumnType.BOOLEAN: "is neither true nor false; true, false, yes, no, 1 and 0 are understood",
    ColumnType.TIMESTAMP: "is no time in 1900 to 2200; one looks like 2026-03-29 14:30:00, or say `format`",
    ColumnType.DATE: "is no date in 1900 to 2200; one looks like 2026-03-29, or say `format`",
    ColumnType.JSON: "is no JSON that PostgreSQL can hold",
}


def integers(texts: pa.StringArray) -> pa.StringArray:
    """Whole numbers that fit PostgreSQL's integer; 5.0 is one."""
    trimmed = pc.utf8_trim_whitespace(texts)
    whole = pc.replace_substring_regex(_only(trimmed, _INTEGER), r"\.0*$", "")
    number = pc.utf8_ltrim(whole, "+").cast(pa.int64())
    return pc.if_else(pc.less_equal(pc.abs(number), _LARGEST_INTEGER), number.cast(pa.string()), None)


def numbers(texts: pa.StringArray) -> pa.StringArray:
    """Decimal numbers of at most 30 digits on each side of the point, perhaps with an exponent."""
    return _only(pc.utf8_trim_whitespace(texts), _NUMBER)


def within(numbers: pa.StringArray, least: int | None, most: int | None) -> pa.BooleanArray:
    """Whether the numbers, as text, lie between the bounds, both included; null where there is none."""
    compared = numbers.cast(pa.float64())
    inside = pc.greater_equal(compared, float("-inf") if least is None else least)
    return inside if most is None else pc.and_(inside, pc.less_equal(compared, most))


def bounds(least: int | None, most: int | None) -> str:
    """What a number that is not within them is told."""
    if least is None:
        return f"must not be greater than {most}"
    return f"must not be less than {least}" if most is None else f"must be between {least} and {most}"


def in_point_notation(texts: pa.StringArray, decimal: str, thousands: str | None) -> pa.StringArray:
    """Numbers as `numbers` reads them, from ones with another decimal sign or signs between thousands.

    Signs between thousands must all be there or none, three digits apart: 1.23,4 is no number.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    point, whole = re.escape(decimal), "[0-9]+"
    if thousands is not None:
        if thousands in _SPACES:
            trimmed = pc.replace_substring_regex(trimmed, f"[{_SPACES}]", " ")
            thousands = " "
        whole = f"([0-9]+|[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+)"
    chosen = _only(trimmed, f"^[+-]?({whole}({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]{{1,2}})?$")
    if thousands is not None:
        chosen = pc.replace_substring(chosen, thousands, "")
    return pc.replace_substring(chosen, decimal, ".")


def scaled(texts: pa.StringArray, scale: str) -> pa.StringArray:
    """The numbers times `scale`, exactly: 1999 by 0.01 is 19.99."""
    factor = Decimal(scale)
    with localcontext(prec=400):
        products = [None if text is None else f"{Decimal(text) * factor:f}" for text in texts.to_pylist()]
    return pa.array(products, pa.string())


def booleans(texts: pa.StringArray) -> pa.StringArray:
    """true, false, yes, no, 1, 0 in any case."""
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    known = pa.array(list(_BOOLEANS))
    return pa.array(list(_BOOLEANS.values())).take(pc.index_in(folded, known))


def json_texts(texts: pa.StringArray) -> pa.StringArray:
    """JSON that PostgreSQL's jsonb holds: no NaN, no NUL, no half characters, no giant exponents."""
    return pa.array([text if _is_json(text) else None for text in texts.to_pylist()], pa.string())


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_no_constant, parse_float=str, parse_int=str)
_RISKY_JSON = re.compile(r"\\u(0000|[dD][89a-fA-F])|[0-9][eE][+-]?[0-9]{4}|[0-9]{1000}")


def _is_json(text: str) -> bool:
    try:
        value = _JSON.decode(text.strip())
        if _RISKY_JSON.search(text):
            plain = json.dumps(value, ensure_ascii=False)
            plain.encode()
            return "\\u0000" not in plain and not re.search(r"[0-9][eE][+-]?[0-9]{4}|[0-9]{1000}", plain)
    except (ValueError, RecursionError):
        return False
    return True


def _only(texts: pa.StringArray, pattern: str) -> pa.StringArray:
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)


PARSERS: dict[ColumnType, Callable[[pa.StringArray], pa.StringArray]] = {
    ColumnType.INTEGER: integers,
    ColumnType.NUMERIC: numbers,
    ColumnType.BOOLEAN: booleans,
    ColumnType.JSON: json_texts,
}
