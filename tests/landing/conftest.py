"""Feeds over a folder of files, and what is in raw afterwards, without the columns that loading adds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

LINES = {
    "order_id": "order",
    "ordered_at": "at",
    "quantity": "quantity",
    "unit_price": "price",
    "product_id": "product",
}
CONTACTS = {"contact_id": "id", "updated_at": "at", "first_name": "name"}


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def make_feed(settings: Settings, landing: Path) -> Callable[..., Feed]:
    """A feed of the files under `landing` that its name begins; more keys of the source file by keyword."""

    def make(stream: str = "order_lines", name: str = "shop", **keys: Any) -> Feed:
        columns = keys.pop("columns", LINES if stream == "order_lines" else CONTACTS)
        read = {"files": f"landing/{name}*", **keys.pop("read", {})}
        written = {"stream": stream, "read": read, "columns": columns, **keys}
        folder = settings.config / "sources"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yml").write_text(yaml.safe_dump(written, sort_keys=False))
        return next(feed for feed in read_feeds(settings) if feed.name == name)

    return make


@pytest.fixture
def query(warehouse_url: str) -> Callable[..., list[tuple[Any, ...]]]:
    """The rows of a statement."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute(sql.SQL(statement)).fetchall()  # type: ignore[arg-type]

    return run
