"""Which PostgreSQL the tests run on: RAPPORT_POSTGRES_BIN names its programs, else it is the embedded one."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import Settings

POSTGRES_BIN = Settings.from_environment().postgres_bin


@contextmanager
def a_warehouse(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The URL of a copy of the database `template`, which is dropped at the end."""
    database = f"test_{secrets.token_hex(6)}"
    # Copied as files: through the log, as PostgreSQL does it on its own, takes twice as long.
    _administer(postgres, f"create database {database} template {template} strategy file_copy")
    try:
        yield postgres.url(database)
    finally:
        _administer(postgres, f"drop database {database} with (force)")


def _administer(postgres: EmbeddedPostgres, statement: str) -> None:
    """With a connection of its own: what is tested may be a server that ends all of them."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)
