from collections.abc import Iterator

import pytest

from chosen_postgres import a_warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from web.served_pages import Pages, starting


@pytest.fixture(scope="module")
def pages(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pages]:
    """Rapport's pages on an empty warehouse, in an API server of the module's own."""
    with a_warehouse(postgres, template) as url:
        yield from starting(postgres, url, tmp_path_factory.mktemp("pages"))
