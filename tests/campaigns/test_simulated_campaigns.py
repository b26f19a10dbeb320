"""Campaigns that change nothing are found to change something as rarely as promised; planted ones are seen.

The bounds leave room for chance alone: a share of 5 % (2.5 % a side) must not exceed what 999 of 1,000 series
of as many campaigns stay below.
"""

import pytest
from scipy.stats import binom
from simulated_campaigns import ORDERS, Shop, campaigns, read_shop

from rapport.campaigns.lift import Interval

pytestmark = pytest.mark.skipif(
    not ORDERS.is_file(), reason=f"the real shop's data is not in {ORDERS.parent}"
)

SETTINGS = [
    pytest.param(300, id="300"),
    pytest.param(1_000, id="1000", marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def shop() -> Shop:
    return read_shop()


def most(count: int, share: float) -> float:
    """The share that a series of so many campaigns stays within, 999 times in 1,000."""
    return float(binom.ppf(0.999, count, share)) / count


def false_findings(intervals: list[Interval]) -> tuple[float, float]:
    """The shares of the intervals that lie below and above zero."""
    count = len(intervals)
    below = sum(bool(interval.high < 0) for interval in intervals) / count
    return below, sum(bool(interval.low > 0) for interval in intervals) / count


@pytest.mark.parametrize("holdout", [0.1, 0.5])
@pytest.mark.parametrize("count", SETTINGS)
def test_campaigns_without_an_effect_are_rarely_found_to_have_one(
    shop: Shop, count: int, holdout: float
) -> None:
    found = list(campaigns(shop, count, seed=11, size=20_000, holdout=holdout))
    revenue = [result.revenue for result in found if result.revenue is not None]
    assert len(revenue) == count
    for intervals in ([result.conversion for result in found], revenue):
        below, above = false_findings(intervals)
        assert below <= most(count, 0.025)
        assert above <= most(count, 0.025)
        assert below + above <= most(count, 0.05)


@pytest.mark.parametrize("count", SETTINGS)
def test_small_campaigns_are_measured_by_conversion_alone(shop: Shop, count: int) -> None:
    found = list(campaigns(shop, count, seed=12, size=2_000, holdout=0.2))
    assert {result.revenue for result in found} == {None}
    below, above = false_findings([result.conversion for result in found])
    assert max(below, above) <= most(count, 0.025)


@pytest.mark.parametrize("count", SETTINGS)
def test_a_planted_fifth_lies_in_its_interval(shop: Shop, count: int) -> None:
    found = list(campaigns(shop, count, seed=13, size=20_000, planted=0.2))
    conversion = [result.conversion_truth for result in found]
    covered = [
        result.conversion.low <= truth <= result.conversion.high
        for result, truth in zip(found, conversion, strict=True)
    ]
    earned = [
        result.revenue.low <= result.revenue_truth <= result.revenue.high
        for result in found
        if result.revenue is not None
    ]
    assert sum(covered) / count >= 0.9
    assert len(earned) == count
    assert sum(earned) / count >= 0.9


def test_the_simulation_can_fail(shop: Shop) -> None:
    """A planted effect is found far more often than one that is not there."""
    found = list(campaigns(shop, 100, seed=14, size=20_000, planted=0.2))
    assert sum(bool(result.conversion.low > 0) for result in found) > 80
