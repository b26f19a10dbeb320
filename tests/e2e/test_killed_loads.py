"""Loads: kill -9 in each in turn, each time followed by a new run. The end is that of an undisturbed run."""

from pathlib import Path

from killing import assert_equal, kill_in_steps, shop


def test_killed_loads_end_like_undisturbed_ones(tmp_path: Path) -> None:
    undisturbed, killed = shop(tmp_path / "undisturbed"), shop(tmp_path / "killed")
    try:
        steps = kill_in_steps(undisturbed, killed, lambda step: step["rows_read"] is not None)
        assert len(steps) == 9
        assert_equal(undisturbed, killed)
    finally:
        undisturbed.stop()
        killed.stop()
