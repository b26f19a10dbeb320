"""Every setting that Rapport's Airflow runs with; docker-compose.yaml holds the same ones."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from rapport.embedded_postgres import EmbeddedPostgres
from rapport.errors import ConfigurationError
from rapport.secret_files import secret
from rapport.settings import PROJECT, Settings

UI_USER = "admin"
METADATA_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"

# The same wherever Airflow runs.
SHARED = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__AUTH_MANAGER": (
        "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    ),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{UI_USER}:admin",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


def airflow_environment(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment of a local Airflow process; makes the secrets that are not there yet.

    Raises:
        ConfigurationError: the warehouse is the user's own and nothing names a database for Airflow.
        WarehouseUnavailable: the embedded server was never started.
    """
    folder = settings.home / "airflow"
    address = f"http://127.0.0.1:{settings.port}"
    ours = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(settings)),
        "AIRFLOW__CORE__FERNET_KEY": _kept(settings, "fernet_key"),
        "AIRFLOW__API_AUTH__JWT_SECRET": _kept(settings, "jwt_secret", size=64),
        "AIRFLOW__API__SECRET_KEY": _kept(settings, "api_secret_key"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(settings.port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        METADATA_URL: metadata_url(settings, environment),
        "RAPPORT_HOME": str(settings.home),
        "RAPPORT_CONFIG": str(settings.config),
        # The services talk to each other on this machine, whatever proxy leads out of it.
        "NO_PROXY": _with_this_machine(environment.get("NO_PROXY") or environment.get("no_proxy")),
    }
    if sys.platform == "darwin":
        ours["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    # Without a bytecode cache each Airflow process compiles thousands of modules anew.
    dropped = {"PYTHONDONTWRITEBYTECODE", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"}
    outer = {name: value for name, value in environment.items() if name not in dropped}
    return outer | SHARED | ours | {"no_proxy": ours["NO_PROXY"]}


def metadata_url(settings: Settings, environment: Mapping[str, str] = os.environ) -> str:
    """Airflow's own database, for SQLAlchemy.

    Raises:
        ConfigurationError: the warehouse is the user's own and nothing names a database for Airflow.
        WarehouseUnavailable: the embedded server was never started.
    """
    if settings.warehouse_url is None:
        url = EmbeddedPostgres(settings.home / "postgres", settings.postgres_bin).url("airflow")
        return f"postgresql+psycopg2://{url.partition('://')[2]}"
    if not environment.get(METADATA_URL, "").strip():
        raise ConfigurationError(
            f"RAPPORT_WAREHOUSE_URL is set, so Airflow needs a database of its own: set {METADATA_URL} "
            "to one, for example postgresql+psycopg2://user:password@host:5432/airflow"
        )
    return environment[METADATA_URL].strip()


def ui_password(settings: Settings) -> str:
    """What `UI_USER` logs in with."""
    passwords: dict[str, str] = json.loads(_passwords_file(settings).read_text())
    return passwords[UI_USER]


def _passwords_file(settings: Settings) -> Path:
    file = settings.home / "secrets" / "airflow_passwords.json"
    secret(file, lambda: json.dumps({UI_USER: secrets.token_urlsafe(12)}))
    return file


def _kept(settings: Settings, name: str, size: int = 32) -> str:
    """A random value of `size` bytes, made once; 32 are what Fernet asks for."""
    return secret(
        settings.home / "secrets" / name, lambda: base64.urlsafe_b64encode(os.urandom(size)).decode()
    )


def _with_this_machine(no_proxy: str | None) -> str:
    return ",".join([*(no_proxy.split(",") if no_proxy else []), "127.0.0.1", "localhost"])
