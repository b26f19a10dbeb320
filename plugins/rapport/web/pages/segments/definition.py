"""How a segment is defined: SQL as its author wrote it and as the database runs it, and its thresholds."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import psycopg
import yaml

from rapport import dbt
from rapport.audiences.segments import segment_file, segment_names
from rapport.settings import Settings
from rapport.web.database import figures
from rapport.web.pages.segments.made import sql_of
from rapport.web.pages.segments.sizes import Segment

PARAMETER_FILES = ("customer_view.yml", "service.yml")


@dataclass(frozen=True)
class Sql:
    """`written` is the text of `file`, with thresholds by name, or what a definition would be as one.

    `run` is the view, with the thresholds' values.
    """

    file: str | None
    written: str | None
    run: str | None
    thresholds: dict[str, Any] = field(default_factory=dict)


def read_sql(settings: Settings, connection: psycopg.Connection, segment: Segment) -> Sql:
    """The segment's SQL; of one that is neither a file nor made in the pages only what the database has."""
    if segment.made is not None:
        with figures(settings) as of_columns:
            return Sql(None, sql_of(of_columns, segment.name), None)
    row = connection.execute(
        """
        select pg_get_viewdef(oid, true) from pg_class
        where relnamespace = 'segments'::regnamespace and relkind = 'v' and relname = %s
        """,
        [segment.name],
    ).fetchone()
    view = row[0].strip() if row is not None else None
    if segment.name not in segment_names(settings.dbt_project):
        return Sql(None, None, view)
    file = segment_file(segment.name)
    written = (settings.dbt_project.parent / file).read_text().strip()
    return Sql(str(file), written, view, _thresholds(settings, written))


def _thresholds(settings: Settings, written: str) -> dict[str, Any]:
    """The numbers that the SQL names, as the team has set them."""
    files = (settings.dbt_project / "dbt_project.yml", *(settings.config / name for name in PARAMETER_FILES))
    values = _parameters(settings, tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))
    names = dict.fromkeys(re.findall(r"var\(['\"](\w+)['\"]\)", written))
    return {name: values[name] for name in names if name in values}


@lru_cache(maxsize=8)
def _parameters(settings: Settings, _changed: tuple[int, ...]) -> dict[str, Any]:
    """Read again only where a file changed: YAML takes as long to read as all else of the page together."""
    defaults = yaml.safe_load((settings.dbt_project / "dbt_project.yml").read_text())["vars"]
    return {**defaults, **dbt.parameters(settings)}
