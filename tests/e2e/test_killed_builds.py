"""What follows the loads: kill -9 in each step in turn, each time followed by a new run; the end is equal."""

from pathlib import Path

import pytest
from killing import assert_equal, kill_in_steps, shop

STEPS = [
    "build_staging",
    "resolve_identity",
    "build_marts",
    "build_segments",
    "record_memberships",
    "plan_campaigns",
    "send_due",
]


@pytest.mark.parametrize("chosen", [STEPS[1::2], pytest.param(STEPS, marks=pytest.mark.long)])
def test_killed_builds_end_like_undisturbed_ones(chosen: list[str], tmp_path: Path) -> None:
    undisturbed, killed = shop(tmp_path / "undisturbed"), shop(tmp_path / "killed")
    try:
        steps = kill_in_steps(undisturbed, killed, lambda step: step["step"] in chosen)
        assert steps == chosen
        assert_equal(undisturbed, killed)
    finally:
        undisturbed.stop()
        killed.stop()
