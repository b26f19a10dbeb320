"""docs/data-dictionary.md says what the project says, of every table and column that people query."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rapport.data_dictionary import SCHEMAS
from rapport.settings import PROJECT

MODELS = PROJECT / "dbt_project" / "models"
NUMBERS = ("numeric", "bigint", "integer", "double precision")
# A count is of what its description names; a place in a row and a run's number have no unit.
UNIT = re.compile(
    r"(?<!\w)(minutes|days|months|units|currency|reporting_currency|percent|ratio|scale"
    r"|0 to 1|0 to 10|1 to 5|1 to 7|-100 to 100)\b",
    re.IGNORECASE,
)
WITHOUT_UNIT = re.compile(r"_count$|_rank$|_number$|^run_id$")

# A process of its own: dbt keeps its log open.
PROGRAM = """
import pathlib, sys
from rapport import data_dictionary
data_dictionary.write(pathlib.Path(sys.argv[1]))
print(*data_dictionary.undescribed(), sep="\\n")
"""


def test_the_dictionary_is_up_to_date_and_everything_that_people_query_has_a_meaning(tmp_path: Path) -> None:
    undescribed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "written.md")],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT / "plugins"), "RAPPORT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert undescribed.split() == []
    kept = (PROJECT / "docs" / "data-dictionary.md").read_text()
    assert kept == (tmp_path / "written.md").read_text(), "run `make docs`"


def numbers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every column of numbers that people query, as table.column, with what the project says of it."""
    for schema in SCHEMAS:
        for path in (MODELS / schema).glob("*.yml"):
            for model in yaml.safe_load(path.read_text()).get("models", []):
                for column in model.get("columns", []):
                    if column.get("data_type") in NUMBERS:
                        yield f"{model['name']}.{column['name']}", column


def test_a_number_says_in_which_unit_it_is() -> None:
    """In its description, which is its comment in the database."""
    columns = dict(numbers())
    assert len(columns) > 200
    silent = [
        name
        for name, column in columns.items()
        if not WITHOUT_UNIT.search(column["name"]) and not UNIT.search(column["description"])
    ]
    assert silent == []
