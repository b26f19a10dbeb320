"""A view brought up to date run by run is the view built at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import parcels
import pytest

from rapport.demo.shop import END, write_shop
from rapport.settings import PROJECT, Settings

SEEDS = [1]

# What tells how the view came about: it differs with how often one looks.
HISTORY = [
    f"identity.{table}" for table in ("customers", "merges", "changes", "identifier_changes", "watermark")
]


@pytest.fixture
def shop_settings(settings: Settings, tmp_path: Path) -> Callable[[str, str], Settings]:
    """Settings with a home of its own on a database, and the configuration that a clone has."""

    def make(name: str, url: str) -> Settings:
        home = tmp_path / name
        home.mkdir()
        return replace(settings, home=home, config=PROJECT / "config", warehouse_url=url)

    return make


@pytest.mark.parametrize("seed", SEEDS)
def test_a_view_built_in_steps_equals_the_view_built_at_once(
    seed: int,
    tmp_path: Path,
    warehouse_url: str,
    second_warehouse_url: str,
    shop_settings: Callable[[str, str], Settings],
) -> None:
    write_shop(tmp_path / "shop", seed=seed, customers=60)
    folders = [tmp_path / f"parcel-{number}" for number in range(3)]
    parcels.split(tmp_path / "shop", folders, seed)
    stepwise = shop_settings("stepwise", warehouse_url)
    at_once = shop_settings("at_once", second_warehouse_url)
    runs = []
    for number, folder in enumerate(folders):
        parcels.load(stepwise, folder)
        parcels.load(at_once, folder)
        runs.append(parcels.build(stepwise, END - timedelta(days=30 * (len(folders) - 1 - number))))
    parcels.build(at_once, END)
    assert [run.since.run_id if run.since else None for run in runs] == [None, *[r.run_id for r in runs[:-1]]]

    schemas = ("identity", "intermediate", "marts")
    built, wanted = parcels.tables(warehouse_url, schemas), parcels.tables(second_warehouse_url, schemas)
    ours = [name for name in wanted if ".int_changed_" not in name and name not in HISTORY]
    different = [name for name in ours if built[name] != wanted[name]]
    for name in different:  # what pytest shows of a failure
        print(name, "has", *sorted(set(built[name]) - set(wanted[name]))[:3], sep="\n    ")
        print("and not", *sorted(set(wanted[name]) - set(built[name]))[:3], sep="\n    ")
    assert not different
