"""A recipient's hours, by their own clock, over every time zone and every change of the clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport import warehouse

MINUTE = 60
DAYS = [1, 2, 3, 4, 5, 6, 7]
Window = tuple[time, time, list[int]]


def minutes_ahead(zone: ZoneInfo, start: datetime, minutes: int) -> np.ndarray:
    """How far the zone's clock is ahead of UTC, in seconds, at each of the minutes from `start`."""
    ahead = np.empty(minutes, dtype=np.int64)
    hour = 0
    while hour < minutes:
        end = min(hour + 60, minutes)
        first, last = (_ahead(zone, start, minute) for minute in (hour, end))
        if first == last:
            ahead[hour:end] = first
        else:
            ahead[hour:end] = [_ahead(zone, start, minute) for minute in range(hour, end)]
        hour = end
    return ahead


def _ahead(zone: ZoneInfo, start: datetime, minute: int) -> int:
    offset = (start + timedelta(minutes=minute)).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def allowed(start: datetime, ahead: np.ndarray, window: Window) -> np.ndarray:
    """Whether the clock shows one of the window's hours, at each of the minutes from `start`."""
    opens, closes, days = window
    local = int(start.timestamp()) + np.arange(len(ahead)) * MINUTE + ahead
    weekday = (local // 86_400 + 3) % 7 + 1  # 1970-01-01 was a Thursday
    second = local % 86_400
    return (
        np.isin(weekday, days)
        & (second >= opens.hour * 3600 + opens.minute * 60)
        & (second < closes.hour * 3600 + closes.minute * 60)
    )


def next_allowed(url: str, zone: str, moments: list[datetime], window: Window) -> list[datetime]:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return [
            row[0]
            for row in connection.execute(
                """
                select activation.next_allowed(moment, %s, %s, %s, %s::int[])
                from unnest(%s::timestamptz[]) with ordinality as moments (moment, place) order by place
                """,
                [zone, window[0], window[1], window[2], moments],
            )
        ]


def agrees(url: str, zone: str, start: datetime, ahead: np.ndarray) -> bool:
    """Whether PostgreSQL's rules of the zone are those that Python has; they are released apart."""
    with warehouse.connect(url) as connection:
        try:
            theirs = connection.execute(
                """
                select extract(epoch from (moment at time zone %s) - (moment at time zone 'UTC'))::int
                from generate_series(
                    %s::timestamptz, %s::timestamptz + make_interval(mins => %s), '1 hour'
                ) as moments (moment)
                """,
                [zone, start, start, len(ahead) - 1],
            ).fetchall()
        except psycopg.errors.InvalidParameterValue:
            return False
    return bool(np.array_equal([row[0] for row in theirs], ahead[::60]))


def check_zone(url: str, name: str, start: datetime, days: int, moments: list[int], window: Window) -> bool:
    """Compare with every minute of the time; the moments are minutes from `start`. False: rules differ."""
    ahead = minutes_ahead(ZoneInfo(name), start, days * 1440)
    if not agrees(url, name, start, ahead):
        return False
    places = np.flatnonzero(allowed(start, ahead, window))
    asked = [start + timedelta(minutes=minute) for minute in moments]
    found = next_allowed(url, name, asked, window)
    for minute, moment, result in zip(moments, asked, found, strict=True):
        expected = start + timedelta(minutes=int(places[np.searchsorted(places, minute)]))
        assert result == expected, (name, window, moment.isoformat())
    return True


@pytest.mark.parametrize(
    "names", [pytest.param(1, id="one name of each rule"), pytest.param(600, marks=pytest.mark.long)]
)
def test_around_each_change_of_the_clocks_of_each_zone_no_earlier_moment_was_allowed(
    warehouse_url: str, names: int
) -> None:
    """Most zones share with others what their clocks do in a year: at most `names` of such are looked at."""
    year = datetime(2026, 1, 1, tzinfo=UTC)
    window = (time(1, 30), time(2, 45), [1, 3, 4, 7])
    moments = list(range(0, 4 * 1440, 155))
    alike: dict[tuple[int, ...], list[tuple[str, list[int]]]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        ahead = [_ahead(zone, year, day * 1440) for day in range(370)]
        changes = [day for day in range(1, 370) if ahead[day] != ahead[day - 1]][:2] or [5]
        hours = [_ahead(zone, year, day * 1440 - hour * 60) for day in changes for hour in range(24)]
        alike.setdefault((*ahead, *hours), []).append((name, changes))
    compared = [
        check_zone(warehouse_url, name, year + timedelta(days=day - 3), 12, moments, window)
        for zones in alike.values()
        for name, changes in zones[:names]
        for day in changes
    ]
    assert sum(compared) > 0.9 * len(compared) > 50


@settings(max_examples=40)
@given(data=st.data())
def test_any_window_in_any_zone_at_any_time(session_warehouse: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(available_timezones())))
    start = data.draw(
        st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)).map(
            lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
        )
    )
    opens, closes = sorted(data.draw(st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True)))
    days = data.draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True))
    moments = data.draw(st.lists(st.integers(0, 3 * 1440), min_size=1, max_size=20))
    window = (time(opens // 60, opens % 60), time(closes // 60, closes % 60), days)
    check_zone(session_warehouse, name, start, 25, moments, window)


@pytest.fixture(scope="module")
def session_warehouse(postgres: object, template: str) -> str:
    return postgres.url(template)  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("zone", "window", "moment", "expected"),
    [
        # The clocks go from 2:00 to 3:00: who may be written to from 2:30 may be from 3:00.
        ("Europe/Berlin", ("02:30", "05:00"), "2026-03-29T00:10Z", "2026-03-29T01:00Z"),
        # A window that the clocks leap over is there again on the next day.
        ("Europe/Berlin", ("02:15", "02:45"), "2026-03-29T00:10Z", "2026-03-30T00:15Z"),
        # The hour from 2:00 comes twice: both are the window's.
        ("Europe/Berlin", ("02:00", "02:30"), "2026-10-25T00:40Z", "2026-10-25T01:00Z"),
        # Samoa had no 30 December 2011.
        ("Pacific/Apia", ("09:00", "10:00"), "2011-12-30T09:00Z", "2011-12-30T19:00Z"),
        ("Asia/Kathmandu", ("09:00", "19:00"), "2026-07-01T20:00:30Z", "2026-07-02T03:15Z"),
        ("UTC", ("09:00", "19:00"), "2026-07-01T18:59:59.5Z", "2026-07-01T18:59:59.5Z"),
        ("UTC", ("09:00", "19:00"), "2026-07-01T19:00Z", "2026-07-02T09:00Z"),
    ],
)
def test_gaps_overlaps_and_bounds(
    warehouse_url: str, zone: str, window: tuple[str, str], moment: str, expected: str
) -> None:
    opens, closes = (time.fromisoformat(hour) for hour in window)
    (found,) = next_allowed(warehouse_url, zone, [datetime.fromisoformat(moment)], (opens, closes, DAYS))
    assert found == datetime.fromisoformat(expected)
