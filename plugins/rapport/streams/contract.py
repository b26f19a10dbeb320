"""What a stream promises: named, typed columns that every source of its kind fills."""

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """How a column is stored; landing checks each value against it before it is loaded."""

    TEXT = "text"
    INTEGER = "integer"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"
    DATE = "date"
    JSON = "jsonb"
    PHONE = "phone"

    @property
    def postgres(self) -> str:
        """The column's type in PostgreSQL; phones are text in E.164."""
        return "text" if self is ColumnType.PHONE else self.value


class Mode(StrEnum):
    """How a feed delivers its rows; the rules are in the design, section 3, Streams."""

    APPEND = "append"
    VERSIONS = "versions"
    REPLACE_ORDER = "replace_order"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Column:
    """A stream column. `choices`, where given, are the only values it may hold; no number is below `least` or
    above `most`."""

    name: str
    type: ColumnType = ColumnType.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None


IDENTITY_COLUMNS: tuple[Column, ...] = (
    Column("customer_number"),
    Column("email"),
    Column("phone", ColumnType.PHONE),
    Column("anonymous_id"),
    Column("first_name"),
    Column("last_name"),
    Column("country"),
    Column("city"),
    Column("postal_code"),
    Column("time_zone"),
)


@dataclass(frozen=True)
class Stream:
    """A typed table that every source of its kind shares.

    `key` names the columns that tell one record of a source from another. Where the last of them is
    optional and not mapped, a row's key is its content (see `Mode.APPEND` in the design).
    `event_time` is the column that `as_of` is compared with; `version` orders the versions of a record.
    """

    name: str
    own_columns: tuple[Column, ...]
    key: tuple[str, ...]
    event_time: str
    default_mode: Mode
    modes: tuple[Mode, ...]
    version: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The stream's own columns, then the identity columns it does not name itself."""
        own = {column.name for column in self.own_columns}
        return self.own_columns + tuple(c for c in IDENTITY_COLUMNS if c.name not in own)

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            KeyError: the stream has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
