"""Loads: kill -9 in each in turn, each time followed by a new run. The end is that of an undisturbed run."""

from pathlib import Path

import pytest
from killing import assert_equal, kill_in_steps, shop

from rapport.demo.shop import FEEDS

SOME = ["order_lines", "web_events", "ticket_versions"]


@pytest.mark.parametrize("chosen", [SOME, pytest.param(list(FEEDS), marks=pytest.mark.long)])
def test_killed_loads_end_like_undisturbed_ones(chosen: list[str], tmp_path: Path) -> None:
    undisturbed, killed = shop(tmp_path / "undisturbed"), shop(tmp_path / "killed")
    try:
        steps = kill_in_steps(undisturbed, killed, lambda step: step["step"] in chosen)
        assert sorted(steps) == sorted(chosen)
        assert_equal(undisturbed, killed)
    finally:
        undisturbed.stop()
        killed.stop()
