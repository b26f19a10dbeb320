"""Segments that were made in the pages: what their definitions say."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from rapport.audiences import stored_definitions
from rapport.audiences.customer_columns import mistakes_in, read_columns
from rapport.audiences.definition import Definition, read_definition
from rapport.audiences.definition_sql import model_text
from rapport.audiences.definition_words import in_words


@dataclass(frozen=True)
class Made:
    """The newest version of a definition; `held_because` says why the last run could not build it."""

    version: int
    words: str
    comment: str
    created_by: str
    created_at: datetime
    held_because: str | None


def read_made(connection: psycopg.Connection) -> dict[str, Made]:
    """All that are in use, by name."""
    builds = stored_definitions.builds(connection)
    return {
        stored.name: Made(
            stored.version,
            _words(stored.definition),
            stored.comment,
            stored.created_by,
            stored.created_at,
            builds[stored.name].held_because if stored.name in builds else None,
        )
        for stored in stored_definitions.in_use(connection)
    }


def sql_of(connection: psycopg.Connection, name: str) -> str | None:
    """The definition as the file of a dbt model; None where it cannot be written as one now.

    The connection may read of which types the columns of marts.customers are.
    """
    versions = stored_definitions.versions(connection, name)
    definition = read_definition(versions[0].definition) if versions else None
    if not isinstance(definition, Definition):
        return None
    catalogue = read_columns(connection)
    return None if mistakes_in(definition, catalogue) else model_text(definition, catalogue)


def _words(content: object) -> str:
    definition = read_definition(content)
    if not isinstance(definition, Definition):
        return "Its conditions cannot be read."
    return f"People for whom: {in_words(definition)}."
