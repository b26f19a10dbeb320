"""A process that outlives the command that started it and is found again by its pid file."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

STOP_SECONDS = 30
SAME_START_SECONDS = 5  # a process' start is known only as well as the clock that the machine booted with


class DetachedProcess:
    """The process called `name`, with its pid file and its log in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._pid_file = folder / f"{name}.pid"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it in a session of its own, with a new log.

        Raises:
            OSError: the program cannot be started.
        """
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=dict(environment),
                start_new_session=True,
            )
        process.returncode = 0  # nobody waits for it, on purpose
        self._pid_file.write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}\n")

    @property
    def is_running(self) -> bool:
        """Whether the very process that was started lives; a stranger with its pid does not count."""
        return self._leader() is not None

    def terminate(self) -> None:
        """Ask it and the processes of its group to end."""
        leader = self._leader()
        if leader is not None:
            with suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGTERM)

    def stop(self) -> bool:
        """End it and all that it started, after `STOP_SECONDS` by force; tells whether there was anything."""
        self.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        was_there = False
        while members := self._members():
            was_there = True
            if time.monotonic() > deadline:
                _send(members, signal.SIGKILL)
            elif not self.is_running:
                _send(members, signal.SIGTERM)  # nobody is left to end them
            time.sleep(0.1)
        self._pid_file.unlink(missing_ok=True)
        return was_there

    def _leader(self) -> int | None:
        recorded = self._recorded()
        return recorded[0] if recorded and recorded[0] in {member.pid for member in self._members()} else None

    def _members(self) -> list[psutil.Process]:
        """The living processes of its session: what it starts may leave its process group."""
        recorded = self._recorded()
        if recorded is None:
            return []
        pid, started = recorded
        with suppress(psutil.NoSuchProcess):
            if abs(psutil.Process(pid).create_time() - started) > SAME_START_SECONDS:
                return []
        members = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
        return members

    def _recorded(self) -> tuple[int, float] | None:
        """Its pid and when it started, unless the machine was started anew since."""
        try:
            pid, started = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return (
            (int(pid), float(started)) if float(started) > psutil.boot_time() - SAME_START_SECONDS else None
        )


def _send(members: Sequence[psutil.Process], how: signal.Signals) -> None:
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.send_signal(how)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, indented."""
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-count:])
