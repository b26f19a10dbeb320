"""Kill -9 in each step in turn, each time followed by a new run: the end is that of an undisturbed run."""

from pathlib import Path

import pytest
from killing import assert_equal, kill_in_steps, shop

from rapport.demo.shop import FEEDS

AFTER_LOADS = [
    "build_staging",
    "resolve_identity",
    "build_marts",
    "build_segments",
    "record_memberships",
    "plan_campaigns",
    "send_due",
]
# Killed loads are told apart closer in tests/landing.
SOME = ["build_marts", "plan_campaigns"]


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(SOME, id="some steps"),
        pytest.param(list(FEEDS), id="every load", marks=pytest.mark.long),
        pytest.param(AFTER_LOADS, id="every step after the loads", marks=pytest.mark.long),
    ],
)
def test_killed_runs_end_like_undisturbed_ones(chosen: list[str], tmp_path: Path) -> None:
    undisturbed, killed = shop(tmp_path / "undisturbed"), shop(tmp_path / "killed")
    try:
        steps = kill_in_steps(undisturbed, killed, lambda step: step["step"] in chosen)
        assert sorted(steps) == sorted(chosen)
        assert_equal(undisturbed, killed)
    finally:
        undisturbed.stop()
        killed.stop()
