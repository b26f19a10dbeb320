"""The shop's calendar: its wall clock, and which days sell more.

Everything is generated in seconds of the shop's wall clock, between six in the morning and midnight, so that
no local time falls into the hour that the change from summer time repeats.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from rapport.demo.chance import Numbers, Texts, texts

SHOP_TIME_ZONE = "Europe/Berlin"
MINUTE, HOUR, DAY = 60, 3600, 86_400
MONTHS = 18

# How busy the shop is in the middle of each month, from January; Black Friday and Advent stand out by week.
_BUSY_MONTHS = (0.75, 0.8, 1.15, 1.5, 1.45, 1.0, 0.85, 0.8, 0.95, 1.05, 1.3, 1.7)
_BUSY_WEEKDAYS = (1.1, 1.0, 0.95, 0.95, 0.9, 0.95, 1.2)
# When in the day people buy, hour by hour from 7 to 22.
_BUSY_HOURS = (2, 3, 4, 5, 5, 6, 5, 4, 4, 5, 6, 7, 9, 10, 8, 4)


@dataclass(frozen=True)
class Calendar:
    """`start` and `end` are seconds of the wall clock since 1970; `busy` is cumulated by midnight."""

    start: int
    end: int
    offsets: Numbers
    busy: NDArray[np.float64]

    @property
    def days(self) -> int:
        return len(self.offsets)

    def day(self, wall: Numbers) -> Numbers:
        """Days since `start`."""
        return (wall - self.start) // DAY

    def to_utc(self, wall: Numbers) -> Numbers:
        """Seconds since 1970 in UTC for seconds of the shop's wall clock."""
        return wall - self.offsets[self.day(wall).clip(0, self.days - 1)]

    def moments(self, rng: np.random.Generator, day: Numbers) -> Numbers:
        """A time of day on each of the days, by the hours that people shop in, never at or after `end`."""
        bounds = np.cumsum(_BUSY_HOURS) / sum(_BUSY_HOURS)
        hour = 7 + np.searchsorted(bounds, rng.random(len(day)), side="right").clip(0, 15)
        wall = self.start + day * DAY + hour * HOUR + rng.integers(0, HOUR, len(day))
        return np.where(wall >= self.end, wall - DAY, wall)

    def busy_day(self, busy: NDArray[np.float64]) -> Numbers:
        """The day on which the cumulated busyness reaches each value."""
        return np.searchsorted(self.busy, busy, side="right").clip(1, self.days) - 1


def calendar(end: datetime) -> Calendar:
    """The eighteen months up to `end`, from the first day of a month.

    Args:
        end: with a time zone; nothing in the feeds is later.
    """
    zone = ZoneInfo(SHOP_TIME_ZONE)
    local_end = end.astimezone(zone).replace(tzinfo=None)
    months = local_end.year * 12 + local_end.month - 1 - MONTHS
    first = datetime(months // 12, months % 12 + 1, 1)
    noons = [first + timedelta(days=number, hours=12) for number in range((local_end - first).days + 1)]
    offsets = [int(noon.replace(tzinfo=zone).utcoffset().total_seconds()) for noon in noons]  # type: ignore[union-attr]
    busyness = [_busyness(noon) * (1 + 0.25 * number / len(noons)) for number, noon in enumerate(noons)]
    return Calendar(
        start=_seconds(first),
        end=_seconds(local_end),
        offsets=np.array(offsets, dtype=np.int64),
        busy=np.concatenate([[0.0], np.cumsum(busyness)]),
    )


def months(wall: Numbers) -> Numbers:
    """Months since January 1970; modulo 12 it is 0 in January."""
    return wall.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def month_name(month: int) -> str:
    """`2026-06` for a month since January 1970."""
    return f"{1970 + month // 12}-{month % 12 + 1:02d}"


def quarter_name(quarter: int) -> str:
    """`2026-q2` for a quarter since the beginning of 1970."""
    return f"{1970 + quarter // 4}-q{quarter % 4 + 1}"


def daytime(wall: Numbers) -> Numbers:
    """Times between midnight and seven moved to the morning, in their order."""
    second = wall % DAY
    return np.where(second < 7 * HOUR, wall - second + 7 * HOUR + second // 7, wall)


def iso(seconds: Numbers) -> Texts:
    """`2026-06-30T14:05:11` for each."""
    return texts(np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s").tolist())


def spaced(seconds: Numbers) -> Texts:
    """`2026-06-30 14:05:11` for each."""
    return texts([text.replace("T", " ") for text in iso(seconds)])


def day_month_year(seconds: Numbers) -> Texts:
    """`30/06/2026 14:05:11` for each."""
    return texts([f"{t[8:10]}/{t[5:7]}/{t[:4]} {t[11:]}" for t in iso(seconds)])


def _busyness(noon: datetime) -> float:
    """Of one day: between the middles of two months, times its weekday, times the weeks before Christmas."""
    position = noon.month - 1 + (noon.day - 15) / 30
    month = np.interp(position, np.arange(-1, 13), [_BUSY_MONTHS[-1], *_BUSY_MONTHS, _BUSY_MONTHS[0]])
    day_of_year = (noon.month, noon.day)
    advent = (
        1.6 if (11, 22) <= day_of_year <= (11, 30) else 1.35 if (12, 1) <= day_of_year <= (12, 18) else 1.0
    )
    after = 0.55 if day_of_year >= (12, 22) else 1.0
    return float(month) * _BUSY_WEEKDAYS[noon.weekday()] * advent * after


def _seconds(naive: datetime) -> int:
    return int(naive.replace(tzinfo=UTC).timestamp())
