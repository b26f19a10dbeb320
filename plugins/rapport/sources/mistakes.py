"""What is wrong in a source file, as sentences that name the key and the nearest valid spelling."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from rapport.sources.database_keys import Database
from rapport.sources.rest_keys import Rest, RestCursor
from rapport.sources.source_file import (
    Constant,
    Freshness,
    FromColumn,
    Hashed,
    Joined,
    Limits,
    Read,
    SourceFile,
    Unpacked,
)

_KIND_MODELS: dict[str, type[BaseModel]] = {
    "from_column": FromColumn,
    "value": Constant,
    "join": Joined,
    "hash": Hashed,
}
_PARTS: dict[str, type[BaseModel]] = {
    "read": Read,
    "read.unpacked": Unpacked,
    "read.database": Database,
    "read.rest": Rest,
    "read.rest.cursor": RestCursor,
    "freshness": Freshness,
    "limits": Limits,
}
_FIXED = {
    "string_type": "a text is expected",
    "dict_type": "a mapping of keys to values is expected",
    "model_type": "a mapping of keys to values is expected",
    "tuple_type": "a list is expected",
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "is empty",
}


def nearest(wrong: str, valid: Iterable[str]) -> str:
    """ "did you mean …?" where one of the valid spellings is close, else the list of them."""
    known = sorted(valid)
    folded = {name.casefold(): name for name in known}
    close = get_close_matches(wrong.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]}?"
    return f"valid are: {', '.join(known)}" if known else "there is none"


def shape_mistakes(error: ValidationError) -> Iterator[tuple[str, str]]:
    """(key, sentence) of each place where the file does not have the shape of a `SourceFile`."""
    details = error.errors()
    unknown_at = {tuple(d["loc"][:-1]) for d in details if d["type"] == "extra_forbidden"}
    for detail in details:
        place = tuple(part for part in detail["loc"])
        if detail["type"] == "missing" and place[:-1] in unknown_at and len(place) > 1:
            continue  # the unknown key beside it is its misspelling
        yield _key(place), _sentence(detail, place)


def _key(place: tuple[Any, ...]) -> str:
    """The dotted path as the file shows it, without the name of the mapping kind that pydantic adds."""
    if len(place) > 2 and place[0] == "columns":
        place = (*place[:2], *place[3:])
    return ".".join(str(part) for part in place)


def _sentence(detail: Any, place: tuple[Any, ...]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if place[0] == "freshness" and kind == "string_pattern_mismatch":
        return f"{detail['input']!r} is no duration; write a number and m, h or d, such as 26h or 3d"
    if kind in ("enum", "literal_error"):
        return f"{detail['input']!r} is not known; {nearest(str(detail['input']), _choices(detail))}"
    return _FIXED.get(kind, str(detail["msg"]))


def _choices(detail: Any) -> list[str]:
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"])


def _unknown_key(place: tuple[Any, ...]) -> str:
    name = str(place[-1])
    if len(place) == 1:
        valid = set(SourceFile.model_fields)
    elif place[0] == "columns":
        valid = set(_KIND_MODELS[str(place[2])].model_fields)
    else:
        valid = set(_PARTS[".".join(map(str, place[:-1]))].model_fields)
    return f"unknown key; {nearest(name, valid)}"
