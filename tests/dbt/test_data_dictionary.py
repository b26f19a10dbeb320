"""docs/data-dictionary.md says what the project says, of every table and column that people query."""

import subprocess
import sys
from pathlib import Path

from rapport.settings import PROJECT

# A process of its own: dbt keeps its log open.
WRITE = "import sys, pathlib; from rapport import data_dictionary as d; d.write(pathlib.Path(sys.argv[1]))"
LIST = "from rapport import data_dictionary as d; print(*d.undescribed(), sep='\\n')"


def run(code: str, home: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT / "plugins"), "RAPPORT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_dictionary_is_up_to_date(tmp_path: Path) -> None:
    run(WRITE, tmp_path, str(tmp_path / "written.md"))
    kept = (PROJECT / "docs" / "data-dictionary.md").read_text()
    assert kept == (tmp_path / "written.md").read_text(), "run `make docs`"


def test_everything_that_people_query_has_a_meaning(tmp_path: Path) -> None:
    assert run(LIST, tmp_path).split() == []
