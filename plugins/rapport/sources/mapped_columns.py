"""Whether a file has the columns that its feed maps."""

from collections import Counter
from difflib import get_close_matches

from rapport.errors import InputError
from rapport.sources.explode import levels
from rapport.sources.feed import Feed
from rapport.sources.paths import EACH, PLACE, resolve


def column_names(header: list[str], place: str) -> list[str]:
    """The names in a header; a column that has none is known by its position, from 1.

    Raises:
        InputError: two columns have one name.
    """
    names = [name or str(position) for position, name in enumerate(header, 1)]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(f"{place}: the column {twice[0]!r} is named twice; give each column its own name")
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
    sentences = [
        f"{path}: {sentence}"
        for target, sources in wanted.items()
        for source in sources
        if (sentence := _what_is_wrong(feed, target, source, present)) is not None
    ]
    if sentences:
        raise InputError("; ".join(dict.fromkeys(sentences)))


def _what_is_wrong(feed: Feed, target: str, source: str, present: list[str]) -> str | None:
    reference = resolve(source, present)
    if reference is None:
        folded = {name.casefold().strip(): name for name in present}
        near = get_close_matches(source.casefold().strip(), folded, n=1)
        hint = f"did you mean {folded[near[0]]!r}?" if near else f"it has: {_some(present)}"
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


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:40]) or "none"
    return f"{shown} and {len(names) - 40} more" if len(names) > 40 else shown
