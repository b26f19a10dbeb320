"""`rapport up` and `rapport down`: what stands in their way is said, and nothing but this machine gets in."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chosen_postgres import POSTGRES_BIN
from rapport import services
from rapport.errors import ConfigurationError, ServiceFailed
from rapport.settings import Settings


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def embedded(tmp_path: Path, free_port: int) -> Iterator[Settings]:
    """Settings of a home with a server of its own; everything in it is stopped afterwards."""
    settings = Settings(
        home=tmp_path / "home",
        config=tmp_path,
        warehouse_url=None,
        recipient_key=None,
        alert_webhook=None,
        postgres_bin=POSTGRES_BIN,
        port=free_port,
    )
    yield settings
    services.down(settings, progress=lambda _: None)


def test_a_port_in_use_is_named(embedded: Settings) -> None:
    with socket.socket() as someone_else:
        someone_else.bind(("127.0.0.1", embedded.port))
        someone_else.listen()
        with pytest.raises(ConfigurationError, match=rf"port {embedded.port} is in use .* RAPPORT_PORT"):
            services.up(embedded)
    assert not (embedded.home / "postgres").exists(), "nothing may be started before"


def test_a_warehouse_of_ones_own_needs_a_database_for_airflow(settings: Settings, free_port: int) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        services.up(replace(settings, port=free_port))


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "8_080"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ConfigurationError, match=f"RAPPORT_PORT is {port}; it is a number from 1 to 65535"):
        Settings.from_environment({"RAPPORT_PORT": port})


def test_stopping_what_does_not_run_says_so(embedded: Settings) -> None:
    said: list[str] = []
    services.down(embedded, progress=said.append)
    assert said == ["Nothing was running."]


@pytest.mark.long
def test_the_services_run_are_private_and_end(embedded: Settings) -> None:
    said: list[str] = []
    first = services.up(embedded, progress=said.append)
    assert (first.ran_already, services.up(embedded, progress=said.append).ran_already) == (False, True)
    assert f"http://127.0.0.1:{embedded.port}" in str(first)
    assert token(first), "the password that is shown must let one in"

    running = [process for process in psutil.process_iter() if of_home(process, embedded)]
    listening = {
        connection.laddr.ip
        for process in running
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}

    services.down(embedded, progress=said.append)
    assert not [process for process in running if process.is_running() and process.status() != "zombie"]
    assert said[-1] == "Airflow and PostgreSQL are down."


@pytest.mark.long
def test_a_service_that_dies_early_is_quoted(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(services.SERVICES, "triggerer", ["triggerer", "--no-such-option"])
    with pytest.raises(ServiceFailed, match=r"(?s)Airflow's triggerer ended .*--no-such-option"):
        services.up(embedded, progress=lambda _: None)
    assert not [process for process in psutil.process_iter() if of_home(process, embedded, but="postgres")]


def of_home(process: psutil.Process, settings: Settings, but: str = "nothing") -> bool:
    """Whether the process works in or on the home folder."""
    try:
        at_work = [process.cwd(), *process.cmdline()]
        return process.name() != but and any(str(settings.home) in place for place in at_work)
    except psutil.Error:
        return False


def token(up: services.ServicesUp) -> str:
    request = urllib.request.Request(
        f"{up.url}/auth/token",
        data=json.dumps({"username": up.user, "password": up.password}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)["access_token"]
