"""When something may be said of a campaign's effect, and what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rapport.campaigns.effects import Arm, Status, comparisons, effect
from rapport.campaigns.results_printing import sentences

END = datetime(2026, 7, 1, tzinfo=UTC)
TREATED = Arm(9_000, 450, buyers=450, mean_revenue=4.0, revenue_variance=400.0)
HELD_OUT = Arm(3_000, 110, buyers=110, mean_revenue=2.5, revenue_variance=300.0)


def judged(treated: Arm = TREATED, held_out: Arm = HELD_OUT, at: datetime = END, cap: float = 80.0):  # type: ignore[no-untyped-def]
    return effect(treated, held_out, ends_at=END, known_until=at, revenue_cap=cap)


def test_until_the_last_return_period_ends_there_is_no_interval() -> None:
    found = judged(at=END - timedelta(seconds=1))
    assert (found.status, found.why_not) == (Status.COLLECTING, "collecting, ends on 2026-07-01")
    assert found.conversion is found.revenue is found.relative is None
    assert judged().status is Status.MEASURED


def test_the_measured_effect_is_the_difference_of_whole_arms() -> None:
    found = judged()
    assert found.conversion.estimate == pytest.approx(450 / 9_000 - 110 / 3_000)
    assert found.relative == pytest.approx((450 / 9_000) / (110 / 3_000) - 1)
    assert found.revenue.estimate == 1.5
    assert found.conversion.low > 0


@pytest.mark.parametrize(
    ("treated", "held_out", "why"),
    [
        (TREATED, Arm(49, 20), "the smallest group has 49 customers"),
        (Arm(900, 6), Arm(100, 3), "9 of all reached the goal"),
    ],
)
def test_too_few_are_said_to_be_too_few(treated: Arm, held_out: Arm, why: str) -> None:
    found = judged(treated, held_out)
    assert found.status is Status.NOT_ENOUGH_DATA
    assert found.conversion is None
    assert found.why_not == f"not enough data: {why}"


@pytest.mark.parametrize(
    ("change", "cap", "why"),
    [
        ({"buyers": 99}, 80.0, "99 buyers in the smaller arm, 100 are needed"),
        ({}, 0.0, "fewer than one customer in a hundred bought"),
        ({"unconverted": 2}, 80.0, "an exchange rate is missing for the orders of 2 customers"),
    ],
)
def test_revenue_has_conditions_of_its_own(change: dict[str, int], cap: float, why: str) -> None:
    found = judged(held_out=replace(HELD_OUT, **change), cap=cap)
    assert found.conversion is not None
    assert found.revenue is None
    assert why in found.why_no_revenue


def test_variants_are_compared_at_the_end_and_pay_for_their_number() -> None:
    variants = {"a": Arm(2_000, 100), "b": Arm(2_000, 140), "c": Arm(2_000, 102)}
    assert comparisons(variants, ends_at=END, known_until=END - timedelta(days=1)) == []
    pairs = comparisons(variants, ends_at=END, known_until=END)
    assert [(pair.one, pair.other) for pair in pairs] == [("a", "b"), ("b", "c"), ("a", "c")]
    alone = comparisons({name: variants[name] for name in "ab"}, ends_at=END, known_until=END)[0]
    assert alone.is_finding
    assert pairs[0].p_value == pytest.approx(3 * alone.p_value)
    assert pairs[2].p_value <= 1


def test_the_sentence_says_what_is_known_and_when_it_may_be_chance() -> None:
    assert sentences(judged(), "EUR") == [
        "It changed the share who reach the goal by +1.33 percentage points (95 % interval +0.48 to +2.11), "
        "+36% of the share without it.",
        "It earned +1.50 EUR per customer assigned (95 % interval +0.75 to +2.25).",
    ]
    assert sentences(judged(at=END - timedelta(days=1)), "EUR") == ["Collecting, ends on 2026-07-01."]
    alike = judged(replace(TREATED, converted=340))
    assert sentences(alike, "EUR")[0].endswith("This may be chance.")
