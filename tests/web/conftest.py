from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser

from chosen_postgres import a_warehouse
from rapport import roles
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings
from web import browsing
from web.served_pages import Pages, starting


@pytest.fixture(scope="module")
def pages(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pages]:
    """Rapport's pages on an empty warehouse, in an API server of the module's own."""
    with a_warehouse(postgres, template) as url:
        make_roles(url)
        yield from starting(postgres, url, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; `browsing.window(browser, pages, "mia")` opens a window of somebody's.

    A module's, not the session's: while it is open, Playwright's event loop keeps other tests of the same
    process from running one of their own.
    """
    yield from browsing.launched()


@pytest.fixture
def settings_with_roles(settings: Settings) -> Settings:
    """Settings on a warehouse of the test's own that has the database roles which pages read as."""
    assert settings.warehouse_url is not None
    make_roles(settings.warehouse_url)
    return settings


def make_roles(url: str) -> None:
    """A copy of the template has none: roles are named after their database and belong to the server."""
    with psycopg.connect(url) as connection:
        assert roles.ensure(connection)
