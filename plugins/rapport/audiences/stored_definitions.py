"""The versions of the segments that people made: saving, reading, retiring. A version never changes."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from rapport.audiences.definition import Definition
from rapport.audiences.segments import segment_file
from rapport.errors import DefinitionRefused

NAME = re.compile("[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Stored:
    """A version of a definition; `definition` is its JSON, which `definition.read_definition` reads."""

    name: str
    version: int
    definition: Any
    comment: str
    created_by: str
    created_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class Build:
    """How the last build of a defined segment went."""

    name: str
    version: int
    run_id: int
    as_of: datetime
    members: int
    held_because: str | None


def save(
    connection: psycopg.Connection,
    name: str,
    definition: Definition,
    *,
    based_on: int | None,
    comment: str,
    who: str,
    taken: Collection[str],
) -> int:
    """Add a version; its number. A name that was retired may be used again and goes on counting.

    Args:
        based_on: the version that was changed; None for a new segment.
        taken: the names of the segments that are files.

    Raises:
        DefinitionRefused: the name is taken, or somebody else saved a version meanwhile.
    """
    if not NAME.fullmatch(name):
        raise DefinitionRefused(
            "a segment's name is small letters, digits and _, at most 40, a letter first: like tea_lovers"
        )
    if name in taken:
        raise DefinitionRefused(f"{segment_file(name)} is a segment already; choose another name")
    if _is_table(connection, name):
        raise DefinitionRefused(f"segments.{name} is a table of Rapport's own; choose another name")
    with connection.transaction():
        connection.execute("lock table segments.definitions in share row exclusive mode")
        known = versions(connection, name)
        newest = known[0] if known else None
        if newest is not None and newest.retired_at is None and newest.version != based_on:
            raise DefinitionRefused(
                f"{name} exists already; choose another name, or open it and change it"
                if based_on is None
                else f"{newest.created_by} saved version {newest.version} of {name} after you opened "
                f"version {based_on}; look at that first, or save yours under another name"
            )
        version = newest.version + 1 if newest is not None else 1
        connection.execute(
            """
            insert into segments.definitions (name, version, definition, comment, created_by)
            values (%s, %s, %s, %s, %s)
            """,
            [name, version, Jsonb(definition.model_dump(mode="json", exclude_defaults=True)), comment, who],
        )
    return version


def _is_table(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute(
        """
        select from pg_class
        where relnamespace = 'segments'::regnamespace and relkind <> 'v' and relname = %s
        """,
        [name],
    ).fetchone()
    return found is not None


def versions(connection: psycopg.Connection, name: str) -> list[Stored]:
    """All versions of a segment, the newest first."""
    with connection.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(
            "select * from segments.definitions where name = %s order by version desc", [name]
        ).fetchall()


def newest(connection: psycopg.Connection) -> list[Stored]:
    """The newest version of each segment, retired ones too, by name."""
    with connection.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(
            "select distinct on (name) * from segments.definitions order by name, version desc"
        ).fetchall()


def in_use(connection: psycopg.Connection) -> list[Stored]:
    """The newest version of each segment that is built."""
    return [stored for stored in newest(connection) if stored.retired_at is None]


def retire(connection: psycopg.Connection, name: str) -> bool:
    """Have a segment built no more; its memberships end with the next run. False where it is not in use."""
    return bool(
        connection.execute(
            """
            update segments.definitions set retired_at = now()
            where
                name = %(name)s
                and retired_at is null
                and version = (select max(version) from segments.definitions where name = %(name)s)
            """,
            {"name": name},
        ).rowcount
    )


def builds(connection: psycopg.Connection) -> dict[str, Build]:
    """How the last build of each defined segment went, by its name."""
    with connection.cursor(row_factory=class_row(Build)) as cursor:
        found = cursor.execute("select * from segments.definition_builds").fetchall()
    return {build.name: build for build in found}
