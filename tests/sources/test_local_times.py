"""Local times against the standard library's zones, where clocks change and everywhere else."""

import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.sources.local_times import Ambiguous, Nonexistent, to_utc

ZONES = sorted(available_timezones())
HOUR = timedelta(hours=1)


def by_the_book(local: datetime, zone: str, fold: int = 0) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).replace(tzinfo=None)


def converted(times: list[datetime], zone: str, **rules: object) -> list[datetime | None]:
    return to_utc(np.array(times, "datetime64[us]"), zone, **rules).tolist()  # type: ignore[arg-type]


@cache
def changes(zone: str, year: int) -> list[datetime]:
    """The local times, as clocks showed them before, at which the zone's offset changes in a year."""
    known, found = ZoneInfo(zone), []
    hour = datetime(year, 1, 1, tzinfo=UTC)
    before = hour.astimezone(known)
    while hour.year == year:
        hour += HOUR
        after = hour.astimezone(known)
        if after.utcoffset() != before.utcoffset():
            found.append(before.replace(tzinfo=None, minute=0))
        before = after
    return found


@settings(max_examples=60)
@given(st.data())
def test_every_zone_agrees_with_the_standard_library(data: st.DataObject) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    year = data.draw(st.integers(1901, 2199))
    near = [datetime(year, 6, 1), *changes(zone, year)]
    moments = st.builds(
        lambda at, seconds: at + timedelta(seconds=seconds),
        st.sampled_from(near),
        st.integers(-100_000, 100_000) | st.integers(-7200, 7200),
    )
    times = data.draw(st.lists(moments, min_size=1, max_size=30))
    first = [by_the_book(time, zone) for time in times]
    second = [by_the_book(time, zone, 1) for time in times]
    assert converted(times, zone) == first
    # fold=1 is later in an overlap and earlier in a gap
    assert converted(times, zone, ambiguous=Ambiguous.SECOND) == [
        max(a, b) for a, b in zip(first, second, strict=True)
    ]
    assert converted(times, zone, ambiguous=Ambiguous.REJECT) == [
        None if b > a else a for a, b in zip(first, second, strict=True)
    ]
    assert converted(times, zone, nonexistent=Nonexistent.REJECT) == [
        None if b < a else a for a, b in zip(first, second, strict=True)
    ]


@pytest.mark.parametrize(
    ("zone", "local", "rules", "utc"),
    [
        (
            "Europe/Berlin",
            "2026-03-29 02:30",
            {},
            "2026-03-29 01:30",
        ),  # 02:30 is skipped: 03:30 in summer time
        ("Europe/Berlin", "2026-10-25 02:30", {}, "2026-10-25 00:30"),
        ("Europe/Berlin", "2026-10-25 02:30", {"ambiguous": Ambiguous.SECOND}, "2026-10-25 01:30"),
        ("Europe/Berlin", "2026-10-25 02:30", {"ambiguous": Ambiguous.REJECT}, None),
        ("Europe/Berlin", "2026-10-25 03:00", {"ambiguous": Ambiguous.REJECT}, "2026-10-25 02:00"),
        ("Europe/Berlin", "2026-03-29 02:30", {"ambiguous": Ambiguous.REJECT}, "2026-03-29 01:30"),
        ("Europe/Berlin", "2026-03-29 02:30", {"nonexistent": Nonexistent.REJECT}, None),
        ("Europe/Berlin", "2026-03-29 02:30", {"ambiguous": Ambiguous.SECOND}, "2026-03-29 01:30"),
        ("Europe/Dublin", "2026-10-25 01:30", {}, "2026-10-25 00:30"),  # winter is Dublin's "daylight" time
        ("America/Sao_Paulo", "2018-11-04 00:30", {}, "2018-11-04 03:30"),  # a day without midnight
        ("Pacific/Apia", "2011-12-30 12:00", {}, "2011-12-30 22:00"),  # a day that never was
    ],
)
def test_the_rules_by_example(zone: str, local: str, rules: dict[str, object], utc: str | None) -> None:
    expected = None if utc is None else datetime.fromisoformat(utc)
    assert converted([datetime.fromisoformat(local)], zone, **rules) == [expected]


def test_missing_times_stay_missing() -> None:
    moments = np.array(["NaT", "2026-07-01T12:00"], "datetime64[us]")
    assert to_utc(moments, "Europe/Berlin").tolist() == [None, datetime(2026, 7, 1, 10)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert to_utc(moments[:1], "Europe/Berlin").tolist() == [None]
        assert to_utc(moments[:0], "Europe/Berlin").tolist() == []
