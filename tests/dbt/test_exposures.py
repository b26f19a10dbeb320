"""Exposures name who uses what: every mart, and everything that the code of an application reads."""

import re

import pytest
import yaml

from rapport.audiences.behaviours import BEHAVIOURS
from rapport.settings import PROJECT

MODELS = PROJECT / "dbt_project" / "models"
# The code behind an exposure.
READERS = {
    "campaigns": ["campaigns", "delivery"],
    "segment_builder": ["audiences", "web/pages/segments", "web/pages/builder"],
    "customer_pages": ["web/pages/customers"],
    "figures_pages": ["web/pages/experience", "web/pages/revenue"],
    "campaign_results": ["campaigns/results.py", "web/pages/campaigns"],
}
# What the results of campaigns are read from is an exposure of its own.
ELSEWHERE = {"campaigns": READERS["campaign_results"]}
NAMED = re.compile(r"(?:\bmarts|schema\})\.(\w+)|Identifier\([^()]*\"(\w+)\"\)|\(\"marts\", \"(\w+)\"\)")


def exposures() -> dict[str, set[str]]:
    """What each exposure depends on."""
    told = yaml.safe_load((MODELS / "_exposures.yml").read_text())["exposures"]
    return {one["name"]: set(re.findall(r"ref\('(\w+)'\)", " ".join(one["depends_on"]))) for one in told}


def models(folder: str) -> set[str]:
    return {path.stem for path in (MODELS / folder).glob("*.sql")}


def read_by(parts: list[str], but: list[str]) -> set[str]:
    """The marts that the code of these parts names."""
    package = PROJECT / "plugins" / "rapport"
    files = [
        path
        for part in parts
        for path in ([package / part] if part.endswith(".py") else (package / part).rglob("*.py"))
        if path not in [package / other for other in but]
    ]
    assert files
    names = {name for path in files for found in NAMED.findall(path.read_text()) for name in found}
    return names & models("marts")


@pytest.mark.parametrize("folder", ["marts", "reporting", "segments", "activation"])
def test_every_table_that_people_query_says_who_uses_it(folder: str) -> None:
    assert models(folder) - set.union(*exposures().values()) == set()


@pytest.mark.parametrize("exposure", READERS)
def test_what_the_code_reads_stands_in_its_exposure(exposure: str) -> None:
    named = read_by(READERS[exposure], ELSEWHERE.get(exposure, []))
    assert named
    assert named - exposures()[exposure] == set()


def test_what_a_condition_may_look_at_stands_in_the_builders_exposure() -> None:
    assert {behaviour.relation for behaviour in BEHAVIOURS.values()} <= exposures()["segment_builder"]
