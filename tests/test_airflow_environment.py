"""Airflow's settings: its secrets are made once and private; the caller cannot bend what is ours."""

import base64
import stat
from dataclasses import replace

import pytest

from rapport.airflow_environment import METADATA_URL, airflow_environment, ui_password
from rapport.errors import ConfigurationError, WarehouseUnavailable
from rapport.settings import Settings

OUTER = {METADATA_URL: "postgresql+psycopg2://mia@db.example/airflow"}


def test_secrets_are_made_once_and_only_the_owner_reads_them(settings: Settings) -> None:
    first = airflow_environment(settings, OUTER)
    assert airflow_environment(settings, OUTER) == first
    other = airflow_environment(replace(settings, home=settings.home / "other"), OUTER)
    names = {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY"}
    assert len({first[name] for name in names} | {other[name] for name in names}) == 6
    assert len(base64.urlsafe_b64decode(first["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert len(ui_password(settings)) >= 16
    files = list((settings.home / "secrets").iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_callers_environment_does_not_bend_what_is_ours(settings: Settings) -> None:
    outer = OUTER | {
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "postgresql+asyncpg://elsewhere/airflow",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "shop.example",
        "AIRFLOW_CONN_SHOP": "postgresql://shop.example/shop",
    }
    made = airflow_environment(settings, outer)
    assert made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert made["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC" not in made
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert made["NO_PROXY"] == made["no_proxy"] == "shop.example,127.0.0.1,localhost"
    assert made["AIRFLOW_CONN_SHOP"] == outer["AIRFLOW_CONN_SHOP"]


def test_the_port_is_the_same_everywhere(settings: Settings) -> None:
    made = airflow_environment(replace(settings, port=18_080), OUTER)
    assert made["AIRFLOW__API__PORT"] == "18080"
    assert made["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:18080"
    assert made["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:18080/execution/"


def test_airflow_has_a_database_of_its_own(settings: Settings) -> None:
    assert airflow_environment(settings, OUTER)[METADATA_URL] == OUTER[METADATA_URL]
    with pytest.raises(ConfigurationError, match=METADATA_URL):
        airflow_environment(settings, {METADATA_URL: " "})
    with pytest.raises(WarehouseUnavailable, match="never started"):
        airflow_environment(replace(settings, warehouse_url=None), OUTER)
