"""Processes that outlive their starter: found again, ended with all they started, never mistaken."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rapport import detached_process
from rapport.detached_process import DetachedProcess, last_lines

# A parent whose child leaves its process group, as Airflow's tasks do.
PARENT = """
import os, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"], process_group=0)
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[DetachedProcess]:
    detached = DetachedProcess(tmp_path, "parent")
    yield detached
    detached.stop()


def start(process: DetachedProcess, *arguments: str) -> list[int]:
    """Start the parent and return its pid and its child's."""
    process.start([sys.executable, "-c", PARENT, *arguments], os.environ)
    wait_until(lambda: process.log.read_text().endswith("\n"))
    return [int(pid) for pid in process.log.read_text().split()]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_is_found_again_and_has_a_session_of_its_own(process: DetachedProcess, tmp_path: Path) -> None:
    parent, _ = start(process)
    assert DetachedProcess(tmp_path, "parent").is_running
    assert os.getsid(parent) == parent != os.getsid(0)
    assert not DetachedProcess(tmp_path, "another").is_running


@pytest.mark.parametrize("arguments", [[], ["deaf"]])
def test_stopping_ends_what_left_its_group_too(
    process: DetachedProcess, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_process, "STOP_SECONDS", 0.5)
    pids = start(process, *arguments)
    assert all(lives(pid) for pid in pids)
    assert process.stop()
    assert not any(lives(pid) for pid in pids)
    assert not process.is_running
    assert not process.stop()


def test_what_a_dead_process_leaves_is_ended(
    process: DetachedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_process, "STOP_SECONDS", 0.1)
    parent, child = start(process)
    psutil.Process(parent).kill()
    wait_until(lambda: not lives(parent))
    assert not process.is_running
    assert process.stop()
    assert not lives(child)


def test_a_stranger_with_its_pid_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        (tmp_path / "parent.pid").write_text(f"{stranger.pid} {time.time() + 3600}\n")
        process = DetachedProcess(tmp_path, "parent")
        assert not process.is_running
        assert not process.stop()
        assert lives(stranger.pid)
        stranger.kill()


def test_a_pid_file_from_before_the_last_boot_names_nobody(process: DetachedProcess, tmp_path: Path) -> None:
    parent, child = start(process)
    pid_file = tmp_path / "parent.pid"
    recorded = pid_file.read_text()
    psutil.Process(parent).kill()
    os.waitpid(parent, 0)
    pid_file.write_text(f"{parent} 1.0\n")
    assert not process.stop()
    assert lives(child), "whoever has that session since the boot is a stranger"
    pid_file.write_text(recorded)


def test_the_end_of_a_log_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\nthree\n")
    assert last_lines(log, 2) == "  two\n  three"
