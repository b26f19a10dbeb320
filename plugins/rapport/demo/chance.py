"""Reproducible chance: one generator for each subject, and draws from weights.

Each subject has a stream of its own, so that a change to one (say, tickets) leaves the others as they were.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Texts = NDArray[Any]  # of dtype object: Python strings

_SUBJECTS = ("people", "orders", "visits", "tickets", "feedback", "dirt", "refunds")


def generator(seed: int, subject: str) -> np.random.Generator:
    """The subject's generator."""
    return np.random.Generator(np.random.PCG64([seed, _SUBJECTS.index(subject)]))


def pick(rng: np.random.Generator, weights: ArrayLike, size: int) -> Numbers:
    """`size` positions in `weights`, drawn in proportion to them."""
    bounds = np.cumsum(np.asarray(weights, dtype=np.float64))
    return np.searchsorted(bounds, rng.random(size) * bounds[-1], side="right").clip(0, len(bounds) - 1)


def pick_each(rng: np.random.Generator, weights: NDArray[np.float64]) -> Numbers:
    """For each row of `weights` a position in it, drawn in proportion to the row."""
    bounds = np.cumsum(weights, axis=1)
    wanted = rng.random(len(weights)) * bounds[:, -1]
    return (bounds < wanted[:, None]).sum(axis=1).clip(0, weights.shape[1] - 1)


def texts(values: Any) -> Texts:
    """The strings as an array that can be indexed by arrays."""
    return np.array(values, dtype=object)


def within(counts: Numbers) -> Numbers:
    """0, 1, … within each group, for groups of these sizes laid end to end."""
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return np.arange(counts.sum()) - starts
