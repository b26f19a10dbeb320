"""The feeds as dbt sources: a generated file, from which `dbt source freshness` knows every feed's limits."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from rapport.settings import Settings
from rapport.sources.feed import Feed

FILE_NAME = "feeds.yml"


def folder(settings: Settings) -> Path:
    """Where the generated file is; dbt reads it beside the project's own models."""
    return settings.home / "dbt" / "feeds"


def write(settings: Settings, feeds: Sequence[Feed]) -> None:
    """Write a dbt source for each feed that has limits: its batches, and the time of their newest record."""
    tables = [_table(feed) for feed in feeds if feed.freshness is not None]
    described = {
        "name": "feeds",
        "description": "Generated from config/sources/: the loads of each feed. No model reads it.",
        "schema": "ops",
        "tables": tables,
    }
    content = yaml.safe_dump({"version": 2, "sources": [described] if tables else []}, sort_keys=False)
    path = folder(settings) / FILE_NAME
    if path.exists() and path.read_text() == content:
        return  # dbt parses again what was written again
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _table(feed: Feed) -> dict[str, Any]:
    limits = feed.freshness
    assert limits is not None
    freshness: dict[str, Any] = {
        "warn_after": _period(limits.warn_after),
        "error_after": _period(limits.error_after),
        "filter": " and ".join(
            f"{column} = {_literal(value)}"
            for column, value in (("feed", feed.name), ("source", feed.source), ("stream", feed.stream))
        ),
    }
    return {
        "name": feed.name,
        "description": f"What {feed.source} brings for {feed.stream}.",
        "identifier": "load_batches",
        "loaded_at_field": "newest_record_at",
        "config": {"freshness": {key: value for key, value in freshness.items() if value is not None}},
    }


def _period(limit: timedelta | None) -> dict[str, Any] | None:
    return None if limit is None else {"count": int(limit.total_seconds() // 60), "period": "minute"}


def _literal(value: str) -> str:
    """A text in SQL, inside of a text that dbt renders as Jinja."""
    quoted = "'" + value.replace("'", "''") + "'"
    return "{% raw %}" + quoted + "{% endraw %}" if any(sign in value for sign in "{}") else quoted
