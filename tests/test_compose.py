"""docker-compose.yaml and the Dockerfile: valid, without secrets, private, the same as the local set-up."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from rapport.airflow_environment import SHARED, airflow_environment
from rapport.embedded_postgres import DATABASES, USER, EmbeddedPostgres
from rapport.services import SERVICES
from rapport.settings import PROJECT, Settings

TEXT = (PROJECT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
ALL = COMPOSE["services"]
OF_AIRFLOW = {name: service for name, service in ALL.items() if service.get("build")}
LONG_RUNNING = {name: service for name, service in ALL.items() if service.get("restart") != "no"}
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
# What a container has instead of a local path, address or generated file.
ITS_OWN = {"AIRFLOW_HOME", "AIRFLOW__API__HOST", "AIRFLOW__API__PORT"}


def test_it_is_a_compose_file() -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(COMPOSE)


def test_every_service_is_there_and_started_as_locally() -> None:
    assert set(ALL) == {"postgres", "redis", "init", "worker", "public", *SERVICES}
    for name, command in SERVICES.items():
        given = ALL[name]["command"]
        assert given == ["airflow", *command] or given[-1].rstrip().endswith(f"exec airflow {command[0]}")


def test_every_variable_is_required_or_has_a_default_and_is_documented() -> None:
    used = re.findall(r"(?<!\$)\$\{([A-Z_]+)(:[?-])?([^}]*)\}", TEXT)
    assert len(used) == len(re.findall(r"(?<!\$)\$(?!\$)", TEXT)), "write ${NAME:?…} or ${NAME:-…}"
    assert not [name for name, how, what in used if not how or (how == ":?" and not what)]
    documented = dict(re.findall(r"^([A-Z_]+)=(.*)$", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    assert {name for name, _, _ in used} == set(documented)
    assert not any(documented.values()), ".env.example names secrets and holds none"


@pytest.mark.parametrize("name", ALL)
def test_no_secret_is_written_down(name: str) -> None:
    for key, value in ALL[name].get("environment", {}).items():
        if re.search(r"PASSWORD$|SECRET|_KEY$|AUTH$", key):
            assert re.fullmatch(r"\$\{[A-Z_]+:(\?[^}]+|-)\}", value), f"{key} must come from the environment"
        for password in re.findall(r"://[^:/]*:(.+?)@", value):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", password), f"{key} holds a password"


@pytest.mark.parametrize("name", ALL)
def test_only_pages_are_published_and_only_to_this_machine(name: str) -> None:
    pages = {
        "api-server": ["127.0.0.1:${RAPPORT_PORT:-8080}:8080"],
        "public": ["127.0.0.1:${PUBLIC_PORT:-8090}:8090"],
    }
    assert ALL[name].get("ports", []) == pages.get(name, [])
    assert "network_mode" not in ALL[name]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_keeps_running_is_watched(name: str) -> None:
    check = LONG_RUNNING[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(check)
    assert LONG_RUNNING[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OF_AIRFLOW)
def test_airflows_containers_may_do_little(name: str) -> None:
    service = OF_AIRFLOW[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert "user" not in service, "the image's own, unprivileged user"


@pytest.mark.parametrize("name", OF_AIRFLOW)
def test_its_settings_are_the_local_ones(name: str, settings: Settings) -> None:
    made = OF_AIRFLOW[name]["environment"]
    conn = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://elsewhere/airflow"}
    local = airflow_environment(settings, conn)
    of_airflow = {key for key in local if key.startswith("AIRFLOW")}
    assert {key: made.get(key) for key in SHARED} == SHARED
    assert of_airflow - ITS_OWN <= set(made)
    only_here = {key for key in made if key.startswith("AIRFLOW")} - of_airflow
    assert all(key.startswith("AIRFLOW__CELERY__") for key in only_here)


def test_the_public_pages_know_no_secret_but_their_own() -> None:
    given = ALL["public"]["environment"]
    assert set(given) == {"RAPPORT_PUBLIC_DATABASE_URL", "RAPPORT_UNSUBSCRIBE_KEYS", "RAPPORT_WEBHOOK_KEYS"}
    assert "rapport_public_login:" in given["RAPPORT_PUBLIC_DATABASE_URL"]
    assert (
        ALL["init"]["environment"].items()
        >= {"RAPPORT_PUBLIC_DATABASE_URL": given["RAPPORT_PUBLIC_DATABASE_URL"]}.items()
    )
    assert [volume for volume in ALL["public"]["volumes"] if not volume.endswith(":ro")] == []
    assert ALL["public"]["image"] == ALL["init"]["image"]
    assert ALL["public"]["cap_drop"] == ["ALL"]


def test_versions_are_those_that_are_locked(tmp_path: Path) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    python = re.search(r"^FROM python:(\d+\.\d+\.\d+)-slim-bookworm$", DOCKERFILE, re.MULTILINE)
    assert python, "the base image is pinned to a patch version"
    assert SpecifierSet(project["requires-python"]).contains(python.group(1))
    assert {service["image"] for service in OF_AIRFLOW.values()} == {f"rapport:{project['version']}"}
    postgres = EmbeddedPostgres(tmp_path)._find_binaries() / "postgres"
    embedded = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout
    assert ALL["postgres"]["image"] == f"postgres:{embedded.split()[-1]}-bookworm"
    assert re.fullmatch(r"redis:\d+\.\d+-bookworm", ALL["redis"]["image"])


def test_the_image_is_built_from_the_lock_and_runs_unprivileged() -> None:
    assert "--require-hashes --only-binary :all:" in re.sub(r"\\\n\s*", "", DOCKERFILE)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "rapport"
    copied = {
        word for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert not [name for name in copied if not (PROJECT / name).exists()]


def test_the_warehouse_is_set_up_like_the_embedded_one() -> None:
    postgres = ALL["postgres"]
    assert postgres["environment"]["POSTGRES_USER"] == USER
    others = set(DATABASES) - {postgres["environment"]["POSTGRES_DB"]}
    assert COMPOSE["configs"]["airflow_database"]["content"] == f"create database {others.pop()};"
    assert "log_min_error_statement=panic" in postgres["command"], "statements hold people's data"


def test_a_health_check_fails_when_nobody_answers() -> None:
    module = [sys.executable, "-m", "rapport.airflow_health", "http://127.0.0.1:9", "scheduler"]
    assert subprocess.run(module, check=False).returncode == 1
