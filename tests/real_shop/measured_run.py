"""Runs `rapport` on the real shop in a fresh home, and measures how long it takes and how much memory."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).parent / "config"
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
SAMPLE_SECONDS = 0.25
STEERING = ("RAPPORT_", "AIRFLOW_", "DBT_", "PG", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class MeasuredRun:
    """How a command went. `peak_pss_mb` (10^6 bytes) is None where the system cannot tell."""

    exit_code: int
    output: str
    seconds: float
    peak_pss_mb: float | None


def environment(home: Path) -> dict[str, str]:
    """The caller's environment, steered to `home`, the real shop and PostgreSQL 15, where there is one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    kept |= {
        "RAPPORT_HOME": str(home),
        "RAPPORT_CONFIG": str(CONFIG),
        "PYTHONPATH": str(PROJECT / "plugins"),
    }
    if POSTGRES_15.is_dir():
        kept["RAPPORT_POSTGRES_BIN"] = str(POSTGRES_15)
    return kept


def rapport(home: Path, *arguments: str) -> MeasuredRun:
    """Run `rapport` with the arguments until it ends, sampling the memory of all that it started."""
    home.mkdir(parents=True, exist_ok=True)
    output = home / "output.txt"
    peak: int | None = None
    with output.open("w") as file:
        started = time.monotonic()
        process = psutil.Popen(
            [Path(sys.executable).with_name("rapport"), *arguments],
            env=environment(home),
            cwd=PROJECT,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                sizes = [size for one in _all_processes(process, home) if (size := _pss(one)) is not None]
                if sizes:
                    peak = max(peak or 0, sum(sizes))
                with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    process.wait(SAMPLE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        seconds = time.monotonic() - started
    return MeasuredRun(
        process.returncode, output.read_text(), seconds, None if peak is None else peak / 1_000_000
    )


def _all_processes(process: psutil.Process, home: Path) -> Iterator[psutil.Process]:
    """The process and the embedded server, which is no child of it, each with its descendants."""
    with suppress(psutil.NoSuchProcess):
        yield process
        yield from process.children(recursive=True)
    with suppress(FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
        server = psutil.Process(int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]))
        yield server
        yield from server.children(recursive=True)


def _pss(process: psutil.Process) -> int | None:
    try:
        return getattr(process.memory_full_info(), "pss", None)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def stop_server(home: Path) -> None:
    """End the embedded server of `home`."""
    from rapport.embedded_postgres import EmbeddedPostgres

    EmbeddedPostgres(home / "postgres").stop()
