"""docs/data-dictionary.md says what the project says, of every table and column that people query."""

import subprocess
import sys
from pathlib import Path

from rapport.settings import PROJECT

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
