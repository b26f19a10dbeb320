"""What a campaign changed, from a few sums over each arm: differences, their intervals, what could be seen.

Every function takes numbers or NumPy arrays of them (many campaigns at once) and gives the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

CONFIDENCE = 0.95

# Nothing above this difference of two shares can be asked for; below it lies what bisection may find.
_HALVINGS = 60


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided confidence interval, in the units of what was compared."""

    estimate: Any
    low: Any
    high: Any

    def relative_to(self, base: Any) -> "Interval":
        """The same as a share of a base, which is taken as known. The base must be positive."""
        return Interval(self.estimate / base, self.low / base, self.high / base)


def wilson(converted: Any, customers: Any, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a share; `customers` > 0.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    z = ndtri((1 + confidence) / 2)
    share = np.asarray(converted) / customers
    middle = share + z**2 / (2 * customers)
    half = z * np.sqrt(share * (1 - share) / customers + z**2 / (4 * np.square(customers, dtype=float)))
    scale = 1 + z**2 / customers
    return Interval(share, (middle - half) / scale, (middle + half) / scale)


def conversion_difference(
    treated_converted: Any,
    treated: Any,
    held_out_converted: Any,
    held_out: Any,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Share of the treated who converted less that of the held out; both arms must hold somebody.

    Method 10 of R. G. Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998): the two score intervals, squared and added. It keeps its level where one
    arm is small and few convert, where Wald's interval (estimate ± z standard errors) does not.
    """
    one = wilson(treated_converted, treated, confidence)
    other = wilson(held_out_converted, held_out, confidence)
    return _newcombe(one, other)


def _newcombe(one: Interval, other: Interval) -> Interval:
    difference = one.estimate - other.estimate
    below = np.hypot(one.estimate - one.low, other.high - other.estimate)
    above = np.hypot(one.high - one.estimate, other.estimate - other.low)
    return Interval(difference, difference - below, difference + above)


def mean_difference(
    treated_mean: Any,
    treated_variance: Any,
    treated: Any,
    held_out_mean: Any,
    held_out_variance: Any,
    held_out: Any,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Mean of the treated less that of the held out. Variances are those of samples (divided by n - 1).

    B. L. Welch, The generalization of "Student's" problem when several different population variances are
    involved, Biometrika 34 (1947). Where nothing varies the interval has no width.
    """
    one, other = np.asarray(treated_variance) / treated, np.asarray(held_out_variance) / held_out
    spread = one + other
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = spread**2 / (one**2 / (np.asarray(treated) - 1) + other**2 / (np.asarray(held_out) - 1))
        half = stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(spread)
    half = np.where(spread > 0, half, 0.0)[()]
    difference = np.asarray(treated_mean - held_out_mean)[()]
    return Interval(difference, difference - half, difference + half)


def two_shares_p_value(converted: Any, customers: Any, other_converted: Any, other_customers: Any) -> Any:
    """The two-sided p-value that two shares are one: the pooled score test, Pearson's chi-squared without
    a correction. 1 where nobody or everybody converted.

    J. L. Fleiss, B. Levin, M. C. Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), 3.1.
    """
    pooled = (np.asarray(converted) + other_converted) / (np.asarray(customers) + other_customers)
    error = np.sqrt(pooled * (1 - pooled) * (1 / np.asarray(customers) + 1 / np.asarray(other_customers)))
    difference = np.abs(np.asarray(converted) / customers - np.asarray(other_converted) / other_customers)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, 2 * ndtr(-difference / error), 1.0)[()]


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, in their order, adjusted for their number: below 5 %, one may be called a finding.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979).
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * float(p_values[place])))
        adjusted[place] = largest
    return adjusted


def detectable_effect(n_treatment: int, n_holdout: int, base_rate: float, power: float = 0.8) -> float | None:
    """The smallest rise of the conversion that a campaign of this size finds in `power` of all cases.

    Relative: 0.2 means that `base_rate` (the share of the held out who convert, 0 to 1) must become 1.2 times
    as large. Found means that the interval of `conversion_difference` lies above zero: its lower half, taken
    at the expected shares, plus z of the power times their standard error. None where even everybody
    converting would not be found, where nobody converts on their own, or an arm is empty.

    Raises:
        ValueError: a share is none.
    """
    if not (0 <= base_rate <= 1 and 0 < power < 1):
        raise ValueError(f"base_rate {base_rate} and power {power} must be shares between 0 and 1")
    if n_treatment < 1 or n_holdout < 1 or base_rate in (0, 1):
        return None
    z_power = float(ndtri(power))
    other = wilson(base_rate * n_holdout, n_holdout)

    def is_found(rate: float) -> bool:
        one = wilson(rate * n_treatment, n_treatment)
        error = np.sqrt(rate * (1 - rate) / n_treatment + base_rate * (1 - base_rate) / n_holdout)
        return bool(_newcombe(one, other).low >= z_power * error)

    if not is_found(1.0):
        return None
    low, high = base_rate, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high / base_rate - 1
