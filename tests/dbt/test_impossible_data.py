"""Each rule for data that cannot be right, as docs/decisions.md states it, has the test that it names."""

import re
from collections.abc import Iterator

import pytest

from rapport.settings import PROJECT

HEADING = "## What becomes of data that cannot be right?"


def rules() -> Iterator[tuple[str, list[str]]]:
    """What comes, and the tests named beside it."""
    section = (PROJECT / "docs" / "decisions.md").read_text().split(HEADING)[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| what comes"):
            what, _, tests = line.strip("| ").split(" | ")
            yield what, re.findall(r"`(test_\w+)`", tests)


def names_of_tests() -> set[str]:
    """Of Python and of dbt, which runs its unit tests on PostgreSQL in tests/e2e."""
    functions = [
        name
        for path in (PROJECT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    ]
    units = [
        name
        for path in (PROJECT / "dbt_project" / "models").rglob("*.yml")
        for name in re.findall(r"^  - name: (test_\w+)$", path.read_text(), re.MULTILINE)
    ]
    return {*functions, *units}


@pytest.mark.parametrize(("what", "named"), [pytest.param(*rule, id=rule[0]) for rule in rules()])
def test_each_rule_for_data_that_cannot_be_right_has_its_test(what: str, named: list[str]) -> None:
    assert named, what
    assert set(named) <= names_of_tests()


def test_the_rules_speak_of_all_that_is_known_to_come() -> None:
    known = ("circle", "10,000 devices", "two currencies", "before its order", "before it was opened",
             "birth date", "midnight", "ten years late")  # fmt: skip
    told = [what for what, _ in rules()]
    assert [word for word in known if not any(word in what for what in told)] == []
