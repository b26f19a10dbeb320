"""A run without news builds the models tagged as_of alone: those that differ although nothing was loaded.

They look at the time, or read one that does. An incremental model keeps its rows and so its place, and what
the opening hours were in the past does not change: there the chain ends.
"""

import re
from pathlib import Path

import pytest
import yaml

from rapport.settings import PROJECT

PROJECT_FILE = PROJECT / "dbt_project" / "dbt_project.yml"
MODELS = PROJECT / "dbt_project" / "models"
LOOKS_AT_TIME = re.compile(r"\b(as_of|before_as_of|days_before|lifecycle_stage)\(|\bsince_as_of\b")
# By name, or by way of a list of names.
READ = re.compile(r"(?:\bref\(|(?='(?:stg|int)_))'(\w+)'")
SHOWS_CHANGES = re.compile(r"\bnewly_seen\(|\bwritten_since\(|\bsince_(run|batch)_id\b")
TAGS = re.compile(r"tags=\[[^\]]*'as_of'")
IS_INCREMENTAL = re.compile(r"materialized='incremental'")
# Staging shows the same rows while nothing is loaded or becomes visible; the segments are tagged as a folder.
STILL = ("staging", "segments")
TEXTS = {path.stem: path.read_text() for path in MODELS.rglob("*.sql")}
MODEL_FILES = sorted(path for path in MODELS.rglob("*.sql") if path.parent.name not in STILL)


def is_tagged(name: str) -> bool:
    return TAGS.search(TEXTS[name]) is not None or name in EMAILS


def is_incremental(name: str) -> bool:
    return IS_INCREMENTAL.search(TEXTS[name]) is not None


EMAILS = {path.stem for path in (MODELS / "intermediate" / "emails").glob("*.sql")}


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_what_differs_although_nothing_was_loaded_is_tagged(path: Path) -> None:
    parents = {name for name in READ.findall(TEXTS[path.stem]) if name in TEXTS}
    moving = {name for name in parents if is_tagged(name) and not is_incremental(name)}
    if is_incremental(path.stem):
        moving -= {"int_business_hours"}
    looks_at_time = LOOKS_AT_TIME.search(TEXTS[path.stem]) is not None
    assert is_tagged(path.stem) == (looks_at_time or bool(moving)), sorted(moving)


@pytest.mark.parametrize("path", sorted((MODELS / "staging").glob("*.sql")), ids=lambda path: path.stem)
def test_what_shows_changes_is_tagged(path: Path) -> None:
    text = path.read_text()
    # What is tagged as_of is built in any case.
    shows_changes = SHOWS_CHANGES.search(text) is not None and not is_tagged(path.stem)
    assert ("tags=['since']" in text) == shows_changes


def test_what_e_mails_say_is_tagged_as_a_folder() -> None:
    models = yaml.safe_load(PROJECT_FILE.read_text())["models"]["rapport"]
    assert models["intermediate"]["emails"]["+tags"] == models["segments"]["+tags"] == ["as_of"]
