"""Sessions with other databases, through SQLAlchemy: read-only, in UTC, with errors that hold no secret."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from rapport.errors import ConfigurationError, InputError, RapportError, SourceRefused, SourceUnavailable
from rapport.sources.connections import Connection

CONNECT_SECONDS = 10
_DRIVERS = {"postgres": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
_REFUSALS = ("password", "authentication", "access denied", "permission denied")


@contextmanager
def reading(label: str, connection: Connection) -> Iterator[sa.Connection]:
    """A session that can change nothing, and whose clock is UTC. `label` begins each error.

    Raises:
        ConfigurationError: the connection names no database that SQLAlchemy knows here.
        SourceUnavailable: the database does not answer. SourceRefused: it does not let us in.
        InputError: it does not understand what it is asked.
    """
    engine = _engine(label, connection)
    try:
        session = engine.connect()
    except sa.exc.DBAPIError as error:
        raise named(
            label, connection, str(error.orig or error), is_gone=connection.kind != "sqlite"
        ) from None
    with session:
        try:
            if session.dialect.name == "mysql":
                session.execute(sa.text("start transaction read only"))
            yield session
        except sa.exc.DBAPIError as error:
            said = str(error.orig or error)
            raise named(label, connection, said, is_gone=error.connection_invalidated) from None


def database_url(connection: Connection) -> URL:
    """What SQLAlchemy calls the connection's database. Of SQLite, the host or the schema is the path."""
    if connection.kind == "sqlite":
        path = connection.host or connection.schema or ""
        return URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    return URL.create(
        _DRIVERS.get(connection.kind, connection.kind.replace("_", "+")),
        connection.login,
        connection.password,
        connection.host,
        connection.port,
        connection.schema,
        {name: str(value) for name, value in connection.extra.items() if isinstance(value, str | int)},
    )


def _engine(label: str, connection: Connection) -> sa.Engine:
    arguments: dict[str, Any] = {}
    options: dict[str, Any] = {}
    if connection.kind == "postgres":
        session = "-c TimeZone=UTC -c default_transaction_read_only=on"
        arguments = {"options": session, "connect_timeout": CONNECT_SECONDS, "application_name": "rapport"}
        options = {"json_deserializer": _as_written}
    elif connection.kind in ("mysql", "mariadb"):
        arguments = {
            "init_command": "set session time_zone = '+00:00'",
            "connect_timeout": CONNECT_SECONDS,
            "charset": "utf8mb4",
        }
    try:
        return sa.create_engine(
            database_url(connection),
            poolclass=sa.pool.NullPool,
            connect_args=arguments,
            hide_parameters=True,
            **options,
        )
    except (sa.exc.ArgumentError, ImportError) as error:
        raise ConfigurationError(
            f"{label}: no driver for the type {connection.kind or 'none'} of connection {connection.name} "
            f"is installed ({type(error).__name__}); postgres, mysql, mariadb and sqlite are"
        ) from None


def _as_written(json: str | bytes) -> str:
    """JSON stays text, with the digits of its numbers."""
    return json if isinstance(json, str) else bytes(json).decode()


def named(label: str, connection: Connection, said: str, *, is_gone: bool) -> RapportError:
    """What the database said, as an error with a sentence in which no password stands."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = lines[0] if lines else "it gives no reason"
    if connection.password:
        reason = reason.replace(connection.password, "***")
    if any(word in " ".join(lines).lower() for word in _REFUSALS):
        return SourceRefused(
            f"{label}: the database does not let us in ({reason}); mend the connection {connection.name}, or "
            "let its user read"
        )
    if is_gone:
        return SourceUnavailable(f"{label}: the database does not answer ({reason}); run again when it does")
    return InputError(f"{label}: the database cannot answer: {reason}")
