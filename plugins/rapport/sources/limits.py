"""How much of a batch may be rejected, and how far its size may be from the usual one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapport.sources.source_file import Limits

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_FACTOR = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


@dataclass(frozen=True)
class BatchLimits:
    """`rejected` is a part of the batch's rows, `fewest` and `most` are multiples of the usual size.

    None is no limit."""

    rejected: float | None = 0.05
    fewest: float | None = 0.1
    most: float | None = 10


DEFAULT_LIMITS = BatchLimits()


def batch_limits(written: Limits) -> BatchLimits:
    """The limits as numbers. They must be free of `limit_mistakes`."""
    share = _SHARE.fullmatch(written.rejected)
    rejected = None if share is None else float(share[1]) / 100
    if written.rows == ("off",):
        return BatchLimits(rejected, None, None)
    return BatchLimits(rejected, float(written.rows[0]), float(written.rows[1]))


def limit_mistakes(written: Limits) -> Iterator[tuple[str, str]]:
    """(key, sentence) for each limit that is none."""
    share = _SHARE.fullmatch(written.rejected)
    if written.rejected != "off" and (share is None or float(share[1]) > 100):
        yield "limits.rejected", f"{written.rejected!r} is no share of rows; write 5% or 0.5%, or off"
    rows = written.rows
    if rows == ("off",):
        return
    if len(rows) != 2 or not all(_FACTOR.fullmatch(factor) for factor in rows):
        yield (
            "limits.rows",
            f"{', '.join(rows) or 'nothing'} are no two limits; write the least and the most as multiples of "
            "the usual size, as in [0.5, 2], or off",
        )
    elif not float(rows[0]) < 1 < float(rows[1]):
        yield (
            "limits.rows",
            f"the usual size lies outside of {rows[0]} to {rows[1]}; the first is below 1, the second above",
        )
