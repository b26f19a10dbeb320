"""`limits:` in a source file: how much of a batch may be rejected, and of which size it may be."""

import pytest

from rapport.sources.limits import BatchLimits, batch_limits, limit_mistakes
from rapport.sources.source_file import Limits


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ({}, BatchLimits(0.05, 0.1, 10)),
        ({"rejected": "0.5%", "rows": ["0.5", "2"]}, BatchLimits(0.005, 0.5, 2)),
        ({"rejected": "off"}, BatchLimits(None, 0.1, 10)),
        ({"rejected": "100 %", "rows": "off"}, BatchLimits(1, None, None)),
    ],
)
def test_limits_are_read(written: dict[str, object], limits: BatchLimits) -> None:
    given = Limits.model_validate(written)
    assert list(limit_mistakes(given)) == []
    assert batch_limits(given) == limits


@pytest.mark.parametrize(
    ("written", "key", "said"),
    [
        ({"rejected": "5"}, "limits.rejected", "'5' is no share of rows; write 5% or 0.5%, or off"),
        ({"rejected": "101%"}, "limits.rejected", "no share"),
        ({"rows": ["0.5"]}, "limits.rows", "0.5 are no two limits; write the least and the most"),
        ({"rows": ["half", "2"]}, "limits.rows", "as in [0.5, 2], or off"),
        ({"rows": ["2", "0.5"]}, "limits.rows", "the usual size lies outside of 2 to 0.5"),
    ],
)
def test_limits_that_are_none_are_refused_with_an_example(
    written: dict[str, object], key: str, said: str
) -> None:
    [(where, sentence)] = limit_mistakes(Limits.model_validate(written))
    assert where == key
    assert said in sentence
