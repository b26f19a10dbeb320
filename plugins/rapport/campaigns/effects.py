"""From the sums over a campaign's arms to what may be said of it, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import combinations
from typing import Any

from rapport.campaigns import lift
from rapport.campaigns.lift import Interval

# With fewer, an interval says no more than that nothing is known.
MIN_CUSTOMERS = 50
MIN_CONVERSIONS = 10
# With fewer buyers in the smaller arm, the 99th percentile and with it the mean hang on single orders.
MIN_BUYERS = 100
FINDING = 0.05


class Status(StrEnum):
    """How far a measurement is; only in the last state is there an interval."""

    COLLECTING = "collecting"
    NOT_ENOUGH_DATA = "not enough data"
    MEASURED = "measured"


@dataclass(frozen=True)
class Arm:
    """Sums over the customers assigned to an arm, or to a variant of it; revenue is null without a rate."""

    customers: int
    converted: int
    buyers: int = 0
    unconverted: int = 0
    net_revenue: Decimal | None = None
    mean_revenue: float | None = None
    revenue_variance: float | None = None

    @property
    def rate(self) -> float:
        """The share who reached the goal."""
        return self.converted / self.customers if self.customers else 0.0


@dataclass(frozen=True)
class Effect:
    """What treatment and holdout differ by.

    Args:
        ends_at: when the last window and its return period are over.
        why_not: in words, why there is no interval; empty where there is one.
        conversion: difference of the shares who reached the goal.
        relative: that difference as a share of the holdout's; None where nobody of the holdout converted.
        revenue: difference of net revenue per customer assigned, capped; why_no_revenue where it is None.
    """

    status: Status
    ends_at: datetime
    treatment: Arm
    holdout: Arm
    why_not: str = ""
    conversion: Interval | None = None
    relative: float | None = None
    revenue: Interval | None = None
    why_no_revenue: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two variants: the difference of their shares, one less other, and its p-value after Holm."""

    one: str
    other: str
    difference: Interval
    p_value: float

    @property
    def is_finding(self) -> bool:
        """Whether the two differ by more than chance, all comparisons of the campaign taken together."""
        return self.p_value < FINDING


def effect(
    treatment: Arm, holdout: Arm, *, ends_at: datetime, known_until: datetime, revenue_cap: Any = None
) -> Effect:
    """Judge two arms whose last return period ends at `ends_at`, by data of before `known_until`."""
    status, why_not = _status([treatment, holdout], ends_at, known_until)
    if status is not Status.MEASURED:
        return Effect(status, ends_at, treatment, holdout, why_not)
    conversion = _difference(treatment, holdout)
    why_no_revenue = _why_no_revenue(treatment, holdout, revenue_cap)
    return Effect(
        status,
        ends_at,
        treatment,
        holdout,
        conversion=conversion,
        relative=conversion.estimate / holdout.rate if holdout.converted else None,
        revenue=None if why_no_revenue else _revenue(treatment, holdout),
        why_no_revenue=why_no_revenue,
    )


def comparisons(variants: dict[str, Arm], *, ends_at: datetime, known_until: datetime) -> list[Comparison]:
    """Each pair of variants, once the campaign has ended and each has enough; the most different first."""
    status, _ = _status(list(variants.values()), ends_at, known_until)
    if status is not Status.MEASURED:
        return []
    pairs = list(combinations(sorted(variants), 2))
    p_values = lift.holm(
        [
            float(
                lift.two_shares_p_value(
                    variants[one].converted,
                    variants[one].customers,
                    variants[other].converted,
                    variants[other].customers,
                )
            )
            for one, other in pairs
        ]
    )
    found = [
        Comparison(one, other, _difference(variants[one], variants[other]), p_value)
        for (one, other), p_value in zip(pairs, p_values, strict=True)
    ]
    return sorted(found, key=lambda pair: pair.p_value)


def _status(arms: Sequence[Arm], ends_at: datetime, known_until: datetime) -> tuple[Status, str]:
    if known_until < ends_at:
        return Status.COLLECTING, f"collecting, ends on {ends_at:%Y-%m-%d}"
    smallest = min(arm.customers for arm in arms)
    if smallest < MIN_CUSTOMERS:
        return Status.NOT_ENOUGH_DATA, f"not enough data: the smallest group has {smallest:,} customers"
    converted = sum(arm.converted for arm in arms)
    if converted < MIN_CONVERSIONS:
        return Status.NOT_ENOUGH_DATA, f"not enough data: {converted:,} of all reached the goal"
    return Status.MEASURED, ""


def _why_no_revenue(treatment: Arm, holdout: Arm, revenue_cap: Any) -> str:
    if treatment.unconverted or holdout.unconverted:
        unknown = treatment.unconverted + holdout.unconverted
        return f"an exchange rate is missing for the orders of {unknown:,} customers"
    buyers = min(treatment.buyers, holdout.buyers)
    if buyers < MIN_BUYERS:
        return f"not enough data: {buyers:,} buyers in the smaller arm, {MIN_BUYERS} are needed"
    if revenue_cap is None or revenue_cap <= 0:
        return "not enough data: fewer than one customer in a hundred bought"
    return ""


def _difference(one: Arm, other: Arm) -> Interval:
    return lift.conversion_difference(one.converted, one.customers, other.converted, other.customers)


def _revenue(treatment: Arm, holdout: Arm) -> Interval:
    return lift.mean_difference(
        treatment.mean_revenue,
        treatment.revenue_variance,
        treatment.customers,
        holdout.mean_revenue,
        holdout.revenue_variance,
        holdout.customers,
    )
