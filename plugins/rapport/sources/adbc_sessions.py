"""Sessions with other databases through ADBC drivers: answers are Arrow's columns, and no value is a Python
object on its way."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.engine.default import DefaultDialect

from rapport.errors import ConfigurationError
from rapport.sources.arrow_texts import exact_texts
from rapport.sources.connections import Connection
from rapport.sources.database_sessions import CONNECT_SECONDS, database_url, named

PREFIX = "adbc_"
_DIALECTS = {"postgresql": postgresql.dialect, "sqlite": sqlite.dialect}


@dataclass(frozen=True)
class Answer:
    """What a question gives: the columns' names, and its rows in batches."""

    names: list[str]
    batches: Iterator[pa.RecordBatch]

    def parts(self, cursor: str | None) -> Iterator[tuple[pa.RecordBatch, set[Any]]]:
        """The batches as text, and the greatest value of the column `cursor` in each."""
        for batch in self.batches:
            texts = {name: _texts(batch.column(name)) for name in self.names}
            greatest = None if cursor is None else _greatest(batch.column(cursor))
            yield pa.RecordBatch.from_pydict(texts), set() if greatest is None else {greatest}


@contextmanager
def answer(label: str, connection: Connection, question: sa.Select[Any]) -> Iterator[Answer]:
    """The answer of the connection's database. PostgreSQL and SQLite can change nothing. `label` begins each
    error.

    Raises:
        ConfigurationError: the driver is not installed.
        SourceUnavailable: the database does not answer. SourceRefused: it does not let us in.
        InputError: it does not understand what it is asked.
    """
    driver = connection.kind.removeprefix(PREFIX)
    library = _library(label, driver)
    # Percent signs are doubled where parameters are written with them; here no value is a parameter.
    dialect = _DIALECTS.get(driver, DefaultDialect)(paramstyle="named")
    statement = str(question.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    try:
        session = library.connect(_uri(driver, connection))
    except library.Error as error:
        raise named(label, connection, str(error), is_gone=driver != "sqlite") from None
    with session:
        try:
            with session.cursor() as asked:
                asked.execute(statement)
                reader = asked.fetch_record_batch()
                yield Answer(reader.schema.names, _batches(label, connection, reader))
        except library.Error as error:
            raise named(label, connection, str(error), is_gone=False) from None


def _library(label: str, driver: str) -> ModuleType:
    try:
        if driver.isidentifier():
            return importlib.import_module(f"adbc_driver_{driver}.dbapi")
    except ImportError:
        pass
    raise ConfigurationError(
        f"{label}: the ADBC driver {driver!r} is not installed; install adbc-driver-{driver}, or write the "
        "connection's type without adbc_ to read through SQLAlchemy"
    )


def _uri(driver: str, connection: Connection) -> str:
    written = connection.extra.get("uri")
    if written is not None:
        return str(written)
    if driver == "sqlite":
        return f"file:{connection.host or connection.schema or ''}?mode=ro"
    read_only = {
        "options": "-c default_transaction_read_only=on",
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": "rapport",
    }
    url: URL = database_url(connection).set(drivername=driver)
    if driver == "postgresql":
        url = url.update_query_dict(read_only)
    # libpq takes a plus sign in a query for what it is.
    return url.render_as_string(hide_password=False).replace("+", "%20")


def _batches(label: str, connection: Connection, reader: Any) -> Iterator[pa.RecordBatch]:
    """The reader's batches; what the database says in the middle of them is an error like any other."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise named(label, connection, str(error), is_gone=False) from None
        yield batch


def _texts(column: Any) -> pa.Array:
    """The column's texts, written as SQLAlchemy's would be, so that a change of the way in changes no row."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        clock = pc.replace_substring_regex(exact_texts(column), r"\.0+(Z?)$", r"\1")
        return pc.replace_substring(pc.replace_substring(clock, " ", "T"), "Z", "+00:00")
    if pa.types.is_floating(kind):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType) and pa.types.is_string(kind.storage_type):
        column = column.storage
    elif isinstance(kind, pa.BaseExtensionType) or pa.types.is_interval(kind):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if not value else value.hex() for value in column.to_pylist()], pa.string())
    return exact_texts(column)


def _greatest(column: Any) -> Any:
    if isinstance(column.type, pa.BaseExtensionType):
        # PostgreSQL's numeric, which has more digits than Arrow's numbers.
        return max((Decimal(text) for text in _texts(column).drop_null().to_pylist()), default=None)
    return pc.max(column).as_py()
