"""How a segment is defined: SQL as its author wrote it and as the database runs it, and its thresholds."""

import re
from dataclasses import dataclass, field
from typing import Any

import psycopg
import yaml

from rapport import dbt
from rapport.audiences.segments import segment_file, segment_names
from rapport.settings import Settings


@dataclass(frozen=True)
class Sql:
    """`written` is the file, with thresholds by name; `run` is the view, with their values."""

    file: str | None
    written: str | None
    run: str | None
    thresholds: dict[str, Any] = field(default_factory=dict)


def read_sql(settings: Settings, connection: psycopg.Connection, segment: str) -> Sql:
    """The segment's SQL; of a name that is no file's, only what the database has."""
    row = connection.execute(
        """
        select pg_get_viewdef(oid, true) from pg_class
        where relnamespace = 'segments'::regnamespace and relkind = 'v' and relname = %s
        """,
        [segment],
    ).fetchone()
    view = row[0].strip() if row is not None else None
    if segment not in segment_names(settings.dbt_project):
        return Sql(None, None, view)
    file = segment_file(segment)
    written = (settings.dbt_project.parent / file).read_text().strip()
    return Sql(str(file), written, view, _thresholds(settings, written))


def _thresholds(settings: Settings, written: str) -> dict[str, Any]:
    """The numbers that the SQL names, as the team has set them."""
    defaults = yaml.safe_load((settings.dbt_project / "dbt_project.yml").read_text())["vars"]
    values = {**defaults, **dbt.parameters(settings)}
    names = dict.fromkeys(re.findall(r"var\(['\"](\w+)['\"]\)", written))
    return {name: values[name] for name in names if name in values}
