"""The locked requirements answer what requirements*.in ask for; checked without a network."""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
LOCKS = ["requirements", "requirements-dev"]


@dataclass(frozen=True)
class Pin:
    """A locked package: its exact version, its hashes, and the files that ask for it by name."""

    version: str
    hashes: int
    asked_by: frozenset[str]


def asked(name: str) -> dict[str, Requirement]:
    """What a .in file asks for, by package."""
    lines = (PROJECT / f"{name}.in").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def locked(name: str) -> dict[str, Pin]:
    """What the .txt file pins, by package."""
    text = (PROJECT / f"{name}.txt").read_text()
    pins = {}
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        package, version = re.match(r"([a-z0-9.-]+)(?:\[.*\])?==([^ ;]+)", block).groups()
        pins[canonicalize_name(package)] = Pin(
            version=version,
            hashes=block.count("--hash=sha256:"),
            asked_by=frozenset(re.findall(r"-r (requirements\S*\.in)", block)),
        )
    return pins


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked_and_nothing_else(name: str) -> None:
    by_name = {package for package, pin in locked(name).items() if f"{name}.in" in pin.asked_by}
    assert by_name == set(asked(name)), "run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_version_is_one_that_was_asked_for(name: str) -> None:
    pins = locked(name)
    for package, requirement in asked(name).items():
        assert requirement.specifier.contains(pins[package].version, prereleases=True), (
            f"{requirement} is locked as {pins[package].version}; run `make lock`"
        )


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_its_hashes(name: str) -> None:
    pins = locked(name)
    assert len(pins) > 10
    assert not [package for package, pin in pins.items() if not pin.hashes]


def test_what_is_imported_is_asked_for() -> None:
    """What comes along with another package may go with its next version."""
    files = [file for folder in ("dags", "plugins") for file in (PROJECT / folder).rglob("*.py")]
    parts = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {name.name for node in parts if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in parts if isinstance(node, ast.ImportFrom)}
    own = {"rapport", *(file.stem for file in (PROJECT / "dags").iterdir())}
    found = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - own
    packages = packages_distributions()
    wanted = asked("requirements").keys()
    assert not [name for name in found if not wanted & set(map(canonicalize_name, packages[name]))]


def test_tests_run_on_what_users_run_on() -> None:
    running, testing = locked("requirements"), locked("requirements-dev")
    both = running.keys() & testing.keys()
    assert {package: testing[package].version for package in both} == {
        package: running[package].version for package in both
    }


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_tells_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    text = (PROJECT / f"{name}.txt").read_text()
    assert text.splitlines()[1] == "#    make lock"
    assert not re.search(r"index-url|find-links|trusted-host|file:|https?://|\s/", text)


def test_what_is_installed_fits_together() -> None:
    """The lock is installed without letting pip resolve anything."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
