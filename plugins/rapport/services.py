"""`rapport up` and `rapport down`: Airflow's real services on this machine, detached, on 127.0.0.1 only."""

import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rapport import warehouse
from rapport.airflow_environment import UI_USER, airflow_environment, metadata_url, ui_password
from rapport.airflow_health import unhealthy_parts
from rapport.detached_process import DetachedProcess, last_lines
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.errors import ConfigurationError, RunInProgress, ServiceFailed
from rapport.settings import Settings

SERVICES = {
    "api-server": ["api-server"],
    # Without --skip-serve-logs these two would offer their logs on every interface.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY_SECONDS = 180

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ServicesUp:
    """Where Airflow's pages are and how to log in."""

    url: str
    user: str
    password: str
    ran_already: bool

    def __str__(self) -> str:
        return (
            f"Airflow {'runs already' if self.ran_already else 'is up'}: {self.url}\n"
            f"  user {self.user}, password {self.password}\n"
            "`make down` stops it."
        )


def up(settings: Settings, progress: Progress = print) -> ServicesUp:
    """Start the services that do not run and wait until all are healthy.

    Raises:
        ConfigurationError: the port is in use, or Airflow has no database.
        ServiceFailed: a service ended at once or did not get healthy; the message quotes its log.
        WarehouseUnavailable: the warehouse cannot be used.
    """
    with _lock(settings):
        missing = [service for service in _services(settings) if not service.is_running]
        if any(service.name == "api-server" for service in missing):
            _port_must_be_free(settings.port)
        if settings.warehouse_url is not None:
            metadata_url(settings)
        url = warehouse.ensure(settings)
        environment = airflow_environment(settings)
        if missing:
            progress("Preparing the databases …")
            warehouse.migrate(url)
            _migrate_airflow(settings, environment)
            progress(f"Starting {_names(missing)} …")
            for service in missing:
                service.start([sys.executable, "-m", "airflow", *SERVICES[service.name]], environment)
        try:
            _wait_until_healthy(settings, progress)
        except BaseException:
            _stop(missing)
            raise
        return ServicesUp(
            url=_address(settings),
            user=UI_USER,
            password=ui_password(settings),
            ran_already=not missing,
        )


def down(settings: Settings, progress: Progress = print) -> None:
    """Stop the services that `up` started, then the embedded server, unless a run is at work on it."""
    with _lock(settings):
        services = _services(settings)
        running = [service for service in services if service.is_running]
        if running:
            progress(f"Stopping {_names(running)} …")
        _stop(services)
        if settings.warehouse_url is not None:
            progress("Airflow is down." if running else "Airflow was not running.")
            return
        server = EmbeddedPostgres(settings.home / "postgres", settings.postgres_bin)
        was_running = server.is_running
        if was_running:
            try:
                with warehouse.run_lock(server.url("rapport")):
                    pass
            except RunInProgress:
                progress("A run is at work, so PostgreSQL stays up; `rapport down` again when it has ended.")
                return
            server.stop()
        progress("Airflow and PostgreSQL are down." if running or was_running else "Nothing was running.")


def _wait_until_healthy(settings: Settings, progress: Progress) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    told = time.monotonic()
    while waiting := unhealthy_parts(_address(settings)):
        for service in _services(settings):
            if not service.is_running:
                raise ServiceFailed(
                    f"Airflow's {service.name} ended before it was ready; the end of {service.log}:\n"
                    f"{last_lines(service.log)}"
                )
        if time.monotonic() > deadline:
            raise ServiceFailed(
                f"Airflow is not healthy after {HEALTHY_SECONDS} seconds, waiting for {', '.join(waiting)}; "
                f"the logs are in {settings.home / 'airflow'}"
            )
        if time.monotonic() - told > 10:
            told = time.monotonic()
            progress(f"Waiting for {', '.join(waiting)} …")
        time.sleep(0.5)


def _migrate_airflow(settings: Settings, environment: dict[str, str]) -> None:
    log = settings.home / "airflow" / "db-migrate.log"
    with log.open("wb") as file:
        ended = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=environment,
            check=False,
        )
    if ended.returncode != 0:
        raise ServiceFailed(f"Airflow's database could not be prepared; the end of {log}:\n{last_lines(log)}")


def _port_must_be_free(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} is in use by another program ({error.strerror}); end that, "
                "or set RAPPORT_PORT to a free port"
            ) from error


def _address(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def _stop(services: Sequence[DetachedProcess]) -> None:
    for service in services:
        service.terminate()
    for service in services:
        service.stop()


def _names(services: Sequence[DetachedProcess]) -> str:
    return ", ".join(service.name for service in services)


def _services(settings: Settings) -> list[DetachedProcess]:
    return [DetachedProcess(settings.home / "airflow", name) for name in SERVICES]


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    folder = settings.home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
