"""Kill -9 in each step in turn, each time followed by a new run: the end is that of an undisturbed run."""

from pathlib import Path

import pytest
from installation import Installation
from killing import AS_OF, assert_equal, kill_in_steps, shop

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
# The same key is behind the recipient keys of both homes.
KEY = {"RAPPORT_RECIPIENT_KEY": "0123456789abcdef0123456789abcdef"}


@pytest.mark.long
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(list(FEEDS), id="every load"),
        pytest.param(AFTER_LOADS, id="every step after the loads"),
    ],
)
def test_killed_runs_end_like_undisturbed_ones(chosen: list[str], tmp_path: Path) -> None:
    """CI kills one step, in test_demo_run.py; loads are killed closer, in tests/landing."""
    undisturbed, killed = (shop(Installation(tmp_path / name, KEY)) for name in ("undisturbed", "killed"))
    try:
        done = undisturbed.rapport("run", "--as-of", AS_OF)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = kill_in_steps(undisturbed, killed, lambda step: step["step"] in chosen)
        assert sorted(steps) == sorted(chosen)
        assert_equal(undisturbed, killed)
    finally:
        undisturbed.stop()
        killed.stop()
