"""The formulas of a campaign's effect, held against statsmodels; the planned size against simulation."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from rapport.campaigns import lift

ARMS = [(56, 70, 48, 80), (9, 10, 3, 10), (0, 900, 4, 100), (270, 9_000, 30, 1_000), (5, 5, 0, 7)]


@pytest.mark.parametrize(("converted", "customers", "_", "__"), ARMS)
def test_a_share_has_wilsons_interval(converted: int, customers: int, _: int, __: int) -> None:
    interval = lift.wilson(converted, customers)
    assert (interval.low, interval.high) == pytest.approx(
        proportion_confint(converted, customers, method="wilson"), abs=1e-12
    )


@pytest.mark.parametrize("arms", ARMS)
def test_a_difference_of_shares_has_newcombes_interval(arms: tuple[int, int, int, int]) -> None:
    interval = lift.conversion_difference(*arms)
    wanted = confint_proportions_2indep(*arms, compare="diff", method="newcomb")
    assert (interval.low, interval.high) == pytest.approx(wanted, abs=1e-12)
    assert interval.estimate == pytest.approx(arms[0] / arms[1] - arms[2] / arms[3])


def test_newcombes_own_example_comes_out() -> None:
    """Table II of the paper, example (a): 56/70 against 48/80, method 10."""
    interval = lift.conversion_difference(56, 70, 48, 80)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(("treated", "held_out"), [(400, 30), (7, 900), (50, 50)])
def test_a_difference_of_means_has_welchs_interval(treated: int, held_out: int) -> None:
    random = np.random.default_rng(treated)
    one, other = random.lognormal(3, 1.2, treated), random.lognormal(2.9, 0.5, held_out)
    interval = lift.mean_difference(
        one.mean(), one.var(ddof=1), treated, other.mean(), other.var(ddof=1), held_out
    )
    wanted = CompareMeans(DescrStatsW(one), DescrStatsW(other)).tconfint_diff(usevar="unequal")
    assert (interval.low, interval.high) == pytest.approx(wanted)


def test_means_that_do_not_vary_differ_for_certain() -> None:
    assert lift.mean_difference(3.0, 0.0, 10, 1.0, 0.0, 20) == lift.Interval(2.0, 2.0, 2.0)


@pytest.mark.parametrize("arms", [(56, 70, 48, 80), (270, 9_000, 30, 1_000)])
def test_two_shares_are_compared_by_their_scores(arms: tuple[int, int, int, int]) -> None:
    _, wanted = proportions_ztest([arms[0], arms[2]], [arms[1], arms[3]])
    assert lift.two_shares_p_value(*arms) == pytest.approx(wanted)


def test_where_nobody_converted_there_is_no_difference() -> None:
    assert lift.two_shares_p_value(0, 10, 0, 20) == 1.0


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5, 0.9], [0.02], [0.04, 0.001, 0.04, 0.6]])
def test_many_comparisons_are_paid_for(p_values: list[float]) -> None:
    assert lift.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize(
    ("treated", "held_out", "rate"),
    [(9_000, 1_000, 0.03), (90_000, 10_000, 0.03), (500, 500, 0.1), (2_000, 200, 0.05)],
)
def test_the_planned_effect_is_found_four_times_in_five(treated: int, held_out: int, rate: float) -> None:
    effect = lift.detectable_effect(treated, held_out, rate)
    assert effect is not None
    random = np.random.default_rng(5)
    interval = lift.conversion_difference(
        random.binomial(treated, rate * (1 + effect), 20_000),
        treated,
        random.binomial(held_out, rate, 20_000),
        held_out,
    )
    assert (interval.low > 0).mean() == pytest.approx(0.8, abs=0.04)


def test_a_larger_holdout_sees_smaller_effects() -> None:
    small, large = lift.detectable_effect(9_000, 1_000, 0.03), lift.detectable_effect(90_000, 10_000, 0.03)
    assert small is not None
    assert large is not None
    assert 0.5 < small < 0.7
    assert 0.15 < large < 0.2


@pytest.mark.parametrize(
    ("treated", "held_out", "rate"), [(0, 10, 0.1), (10, 0, 0.1), (900, 100, 0.0), (3, 2, 0.9)]
)
def test_some_sizes_can_see_nothing(treated: int, held_out: int, rate: float) -> None:
    assert lift.detectable_effect(treated, held_out, rate) is None


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        lift.detectable_effect(100, 100, 3.0)
