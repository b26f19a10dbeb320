"""Source files and feeds, written and read as a team would."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed


@pytest.fixture
def offline(tmp_path: Path) -> Settings:
    """Settings without a warehouse: reading feeds needs none."""
    (tmp_path / "config" / "sources").mkdir(parents=True)
    return Settings(tmp_path / "home", tmp_path / "config", None, None, None)


@pytest.fixture
def make_feed(offline: Settings) -> Callable[..., Feed]:
    """A feed from the keys of its source file; `files` are in a folder of the test's own."""

    def make(columns: dict[str, object], stream: str = "order_lines", **keys: object) -> Feed:
        read = keys.pop("read", {"files": "landing/*"})
        written = {"stream": stream, "read": read, "columns": columns, **keys}
        (offline.config / "sources" / "shop.yml").write_text(yaml.safe_dump(written, sort_keys=False))
        return read_feeds(offline)[0]

    return make


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept
