"""Local times of a zone → UTC, where clocks change too.

A time that the zone's clocks show twice (autumn) is the first of the two: the offset that held before the
change, usually daylight time. One that they skip (spring) is shifted forward by the gap: 02:30 becomes 03:30.
Both are what PEP 495 means by fold=0. A feed may say otherwise.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

_DAY = np.timedelta64(1, "D")
_NONE = np.datetime64("NaT")


class Ambiguous(StrEnum):
    """What a time that clocks show twice is."""

    FIRST = "first"
    SECOND = "second"
    REJECT = "reject"


class Nonexistent(StrEnum):
    """What a time that clocks skip is."""

    SHIFT = "shift"
    REJECT = "reject"


def to_utc(
    local: Any,
    zone: str,
    ambiguous: Ambiguous = Ambiguous.FIRST,
    nonexistent: Nonexistent = Nonexistent.SHIFT,
) -> Any:
    """datetime64[us] in the zone → datetime64[us] in UTC; NaT where it is NaT or to be rejected.

    Most days have one offset, which is looked up once a day; only on the others is each second looked up.
    """
    known = ZoneInfo(zone)
    days, place = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    first, last = _offsets(days, known), _offsets(days + _DAY, known)
    changes = np.logical_or.reduce([first[0] != side for side in (first[1], last[0], last[1])])
    utc = local - first[0][place]
    on_change = np.flatnonzero(changes[place] & ~np.isnat(local))
    if len(on_change):
        seconds, at = np.unique(local[on_change].astype("datetime64[s]"), return_inverse=True)
        earlier, later = _offsets(seconds, known)
        chosen = np.where(earlier > later, later if ambiguous is Ambiguous.SECOND else earlier, earlier)
        moments = local[on_change] - chosen[at]
        if ambiguous is Ambiguous.REJECT:
            moments[(earlier > later)[at]] = _NONE
        if nonexistent is Nonexistent.REJECT:
            moments[(earlier < later)[at]] = _NONE
        utc[on_change] = moments
    return utc


def _offsets(moments: Any, zone: ZoneInfo) -> tuple[Any, Any]:
    """The offsets of local times, where there are two the one before the change first."""
    times: list[datetime | None] = moments.astype("datetime64[s]").tolist()
    return (
        np.array([_offset(time, zone, 0) for time in times], "timedelta64[us]"),
        np.array([_offset(time, zone, 1) for time in times], "timedelta64[us]"),
    )


def _offset(time: datetime | None, zone: ZoneInfo, fold: int) -> int:
    offset = None if time is None else time.replace(tzinfo=zone, fold=fold).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1_000_000)
