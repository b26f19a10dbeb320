"""One generated shop, loaded and built once for all tests of a process that look at its view."""

import secrets
from collections.abc import Iterator

import mailed_shop as shop_with_mails
import parcels
import psycopg
import pytest

from rapport.demo.shop import END, write_shop
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings


@pytest.fixture(scope="session")
def built_shop(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> parcels.BuiltShop:
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
    return parcels.BuiltShop(folder / "landing", truth, postgres.url(database))


@pytest.fixture(scope="session")
def mailed_shop(
    built_shop: parcels.BuiltShop, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The built shop with campaigns' mails and what came of them, as of two days later. Read only."""
    with shop_with_mails.mailed(built_shop, postgres, tmp_path_factory.mktemp("mailed_shop")) as url:
        yield url
