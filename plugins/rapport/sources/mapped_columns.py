"""Whether a file has the columns that its feed maps."""

from collections import Counter
from difflib import get_close_matches

import pyarrow as pa

from rapport.errors import InputError
from rapport.sources.explode import levels
from rapport.sources.feed import Feed
from rapport.sources.masking import masked
from rapport.sources.paths import EACH, PLACE, resolve

NAMED = 40
LONGEST_NAME = 60  # characters


def column_names(header: list[str], place: str) -> list[str]:
    """The names in a header; a column that has none is known by its position, from 1.

    Raises:
        InputError: two columns have one name.
    """
    names = [name or str(position) for position, name in enumerate(header, 1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(
            f"{place}: the column {_shown(twice[0])!r} is named twice; give each column its own name"
        )
    return names


def refuse_missing_columns(feed: Feed, path: str, present: list[str]) -> None:
    """Refuse a file that lacks a mapped column.

    Raises:
        InputError: naming the file, each such column and the nearest one that is there.
    """
    wanted = dict(feed.source_columns)
    if feed.explode:
        wanted["explode"] = (feed.explode,)
    if feed.only:
        wanted["only"] = tuple(feed.only)
    names = list(dict.fromkeys(name for sources in wanted.values() for name in sources))
    if len(names) > 1 and not any(resolve(name, present) or _near(name, present) for name in names):
        # What it has may be a row's values, which are nobody's business.
        header = "" if feed.origin else ", and does a line of it name its columns (read.header_row)"
        raise InputError(
            f"{path}: it has none of the columns that {feed.name} maps ({_some(names)}), but {len(present)} "
            f"other{'s' if len(present) > 1 else ''}. Is it the right one{header}?"
        )
    sentences = [
        sentence
        for target, sources in wanted.items()
        for source in sources
        if (sentence := _what_is_wrong(feed, target, source, present)) is not None
    ]
    if sentences:
        raise InputError(f"{path}: {'; '.join(dict.fromkeys(sentences))}")


def _what_is_wrong(feed: Feed, target: str, source: str, present: list[str]) -> str | None:
    reference = resolve(source, present)
    if reference is None:
        near = _near(source, present)
        hint = f"did you mean {near!r}?" if near else f"it has: {_some(present)}"
        return f"there is no column {source!r}, which {feed.name} maps to {target}; {hint}"
    each = [str(step) for step in reference.steps if step in (EACH, PLACE)]
    if not each:
        return None
    exploding = [level.removesuffix(EACH) for level in levels(feed.explode)] if feed.explode else []
    if source[: max(source.rindex(step) for step in each)] in exploding:
        return None
    return (
        f"{source} (mapped to {target}) stands for many values; write the list under `explode`, or one of "
        f"its elements, as in {source.replace(each[0], '[0]', 1)}"
    )


def _near(source: str, present: list[str]) -> str | None:
    folded = {name.casefold().strip(): name for name in present}
    near = get_close_matches(source.casefold().strip(), folded, n=1)
    return folded[near[0]] if near else None


def _some(names: list[str]) -> str:
    """The names, as they may be shown: without a header they are the values of a row."""
    shown = ", ".join(_shown(name) for name in names[:NAMED]) or "none"
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown


def _shown(name: str) -> str:
    [shown] = masked(pa.array([name]), is_personal=False).to_pylist()
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}…"
