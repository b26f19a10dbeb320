"""docs/decisions.md says of every mart where its figures are counted a second time, and it is so."""

import re
from collections.abc import Iterator

import pytest

from rapport.settings import PROJECT

HEADING = "## How is a figure known to be right?"


def section() -> str:
    return (PROJECT / "docs" / "decisions.md").read_text().split(HEADING)[1].split("\n## ")[0]


def pairs() -> Iterator[tuple[str, str]]:
    """Mart and test file, from the rows of the table."""
    for line in section().splitlines():
        if line.startswith("| `"):
            marts, tests = line.strip("| ").split(" | ")
            for mart in re.findall(r"`(\w+)`", marts):
                for test in re.findall(r"`([\w/]+\.py)`", tests):
                    yield mart, test


@pytest.mark.parametrize(("mart", "file"), list(pairs()))
def test_the_second_count_looks_at_the_mart(mart: str, file: str) -> None:
    path = PROJECT / "tests" / file
    beside = [path, *path.parent.glob("*_figures.py")]
    assert any(re.search(rf"marts\.{mart}\b|\"{mart}\"", one.read_text()) for one in beside)


def test_no_mart_is_left_out() -> None:
    marts = {path.stem for path in (PROJECT / "dbt_project" / "models" / "marts").glob("*.sql")}
    assert marts - set(re.findall(r"`(\w+)`", section())) == set()
