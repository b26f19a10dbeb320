"""Filling an empty table, for the first run of a shop that has a history."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql


def is_empty(connection: psycopg.Connection, table: str) -> bool:
    """Whether the table (`schema.table`) has no row."""
    query = sql.SQL("select from {} limit 1").format(_name(table))
    return connection.execute(query).fetchone() is None


@contextmanager
def without_indexes(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Fill an empty table without its keys and indexes, which are built when the rows are in.

    To keep the indexes of a million rows up to date row by row takes five times as long as to build them.
    References between tables of its schema are taken off as well and checked at the end; those into other
    schemas stay, so that only tables of this schema are locked until the transaction ends.
    """
    constraints = connection.execute(
        """
        select conrelid::regclass::text, conname, pg_get_constraintdef(constraints.oid)
        from pg_constraint as constraints
        inner join pg_class as referenced on referenced.oid = coalesce(nullif(confrelid, 0), conrelid)
        inner join pg_class as tables on tables.oid = %(table)s::regclass
        where
            (conrelid = tables.oid or confrelid = tables.oid)
            and contype in ('p', 'u', 'f')
            and referenced.relnamespace = tables.relnamespace
        order by contype, conname
        """,
        {"table": table},
    ).fetchall()
    indexes = connection.execute(
        """
        select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
        where
            indrelid = %s::regclass
            and not exists (select from pg_constraint where conindid = indexrelid)
        """,
        [table],
    ).fetchall()
    for owner, constraint, _ in constraints:
        connection.execute(
            sql.SQL("alter table {} drop constraint {}").format(_name(owner), sql.Identifier(constraint))
        )
    for index, _ in indexes:
        connection.execute(sql.SQL("drop index {}").format(_name(index)))
    connection.execute(sql.SQL("truncate {}").format(_name(table)))  # a new file: its rows need no log
    yield
    for _, definition in indexes:
        connection.execute(definition)
    for owner, constraint, definition in reversed(constraints):
        connection.execute(
            sql.SQL("alter table {} add constraint {} {}").format(
                _name(owner), sql.Identifier(constraint), sql.SQL(definition)
            )
        )


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))
