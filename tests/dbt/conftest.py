"""One generated shop, loaded and built once for all tests of a process that look at its view."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import parcels
import psycopg
import pytest

from rapport.demo.shop import END, write_shop
from rapport.demo.truth import ShopTruth
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings


@dataclass(frozen=True)
class BuiltShop:
    """`folder` has the files of each feed (tests/demo/written_shop.py reads them); `url` is the warehouse."""

    folder: Path
    truth: ShopTruth
    url: str


@pytest.fixture(scope="session")
def built_shop(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> BuiltShop:
    """Two hundred customers, seed 5, with the configuration of a clone, as of the shop's end. Read only."""
    folder = tmp_path_factory.mktemp("built_shop")
    truth = write_shop(folder / "landing", seed=5, customers=200)
    database = f"built_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {database} template {template}")
    settings = Settings(folder / "home", PROJECT / "config", postgres.url(database), None, None)
    settings.home.mkdir()
    parcels.load(settings, folder / "landing")
    parcels.build(settings, END)
    return BuiltShop(folder / "landing", truth, postgres.url(database))
