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
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {database} template {template}")
        try:
            yield postgres.url(database)
        finally:
            connection.execute(f"drop database {database} with (force)")
