"""A run without news builds the models tagged as_of, and what hangs on them; no other looks at the time."""

import re
from pathlib import Path

import pytest

from rapport.settings import PROJECT

MODELS = PROJECT / "dbt_project" / "models"
LOOKS_AT_TIME = re.compile(r"\b(as_of|before_as_of|days_before|lifecycle_stage)\(")
# Staging shows the same rows while nothing is loaded or becomes visible; the segments are tagged as a folder.
TAGGED_OR_STILL = ("staging", "segments")
MODEL_FILES = sorted(path for path in MODELS.rglob("*.sql") if path.parent.name not in TAGGED_OR_STILL)


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_a_model_that_looks_at_the_time_is_tagged(path: Path) -> None:
    text = path.read_text()
    is_tagged = re.search(r"tags=\[[^\]]*'as_of'", text) is not None
    assert is_tagged == (LOOKS_AT_TIME.search(text) is not None)
