"""What may stand in a source file, `config/sources/*.yml`.

Every scalar is text: the loader keeps what is written (`0`, `NO`, `.0`), because it is compared with what
stands in a source's file.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from rapport.sources.database_keys import Database
from rapport.sources.local_times import Ambiguous, Nonexistent
from rapport.sources.rest_keys import Rest
from rapport.sources.strict import Strict

_SCALAR = {"type": ["string", "number", "boolean"]}
Text = Annotated[str, WithJsonSchema(_SCALAR)]
Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}),
]
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[mhd]$", examples=["30m", "26h", "3d"])]
Columns = Annotated[tuple[str, ...], Field(min_length=1)]


class FromColumn(Strict):
    """One source column, after these changes in this order."""

    column: str = Field(
        description="The source column's name, or a path into a nested one, such as customer.address.city."
    )
    null_values: Texts = Field(default=(), description="Values that mean: unknown.")
    strip_suffix: Text | None = Field(
        default=None, description="Taken off the end of each value that has it."
    )
    map: Annotated[
        dict[str, str] | None, WithJsonSchema({"type": "object", "additionalProperties": _SCALAR})
    ] = Field(
        default=None, description="Source value: stream value. Values that are not named stay as they are."
    )
    otherwise: Text | None = Field(
        default=None, description="What every value that `map` does not name becomes."
    )
    format: str | None = Field(
        default=None, description="How a time is written, in strptime's letters; default ISO 8601."
    )
    time_zone: str | None = Field(default=None, description="The zone of times that name none; default UTC.")
    ambiguous: Ambiguous = Field(
        default=Ambiguous.FIRST, description="What a local time is that the zone's clocks show twice."
    )
    nonexistent: Nonexistent = Field(
        default=Nonexistent.SHIFT,
        description="What a local time is that the zone's clocks skip; shift: forward by the gap.",
    )
    decimal: str = Field(default=".", description="The decimal sign of numbers: a point or a comma.")
    thousands: str | None = Field(
        default=None, description="The sign between thousands: point, comma, apostrophe, underscore or space."
    )
    scale: Text | None = Field(
        default=None, description="What numbers are multiplied by, exactly; 0.01 turns cents into euros."
    )


class Constant(Strict):
    """The same value in every row."""

    value: Text


class Joined(Strict):
    """Several source columns, one after the other. A missing one counts as empty; all missing is missing."""

    join: Columns
    separator: Text = ""


class Hashed(Strict):
    """A hash over several source columns, for rows that have no id of their own."""

    hash: Columns


def _kind(given: Any) -> str:
    if isinstance(given, Mapping):
        return next((kind for kind in ("value", "join", "hash") if kind in given), "from_column")
    match given:
        case Constant():
            return "value"
        case Joined():
            return "join"
        case Hashed():
            return "hash"
        case FromColumn():
            return "from_column"
    return "column"


ColumnMapping = Annotated[
    Annotated[Text, Tag("column")]
    | Annotated[FromColumn, Tag("from_column")]
    | Annotated[Constant, Tag("value")]
    | Annotated[Joined, Tag("join")]
    | Annotated[Hashed, Tag("hash")],
    Discriminator(_kind),
]


class Unpacked(Strict):
    """How much may come out of a compressed file; past it the file is refused."""

    size: Text = Field(default="64GB", description="The most that one file may hold.", examples=["500GB"])
    ratio: Text = Field(
        default="250",
        description="The most as a multiple of its compressed size; 256 MB may always come out.",
    )


class Read(Strict):
    """Where the files are and how they are written, or which database is asked."""

    files: str | None = Field(
        default=None,
        min_length=1,
        description="A path, a glob or a URL; $NAME is taken from the environment.",
    )
    database: Database | None = None
    rest: Rest | None = None
    connection: str | None = Field(
        default=None, description="The Airflow connection with the credentials of an object store."
    )
    format: Literal["csv", "json", "parquet", "excel"] | None = Field(
        default=None, description="How the files are written, where their ending does not say it."
    )
    member: str | None = Field(
        default=None, min_length=1, description="Of zip archives: which members, a name or a pattern."
    )
    unpacked: Unpacked = Unpacked()
    encoding: str = Field(default="utf-8", description="Of CSV and JSON.")
    delimiter: str | None = Field(
        default=None, description="Of CSV; default a comma, and a tab in files that end in .tsv or .tab."
    )
    quote: str = Field(
        default='"', description="Of CSV: the sign around values; none: there is no such sign."
    )
    escape: str | None = Field(default=None, description="Of CSV: the sign before one that is meant as such.")
    header_row: Text = Field(
        default="1", description="Of CSV and Excel: the line with the columns' names; none: no line has them."
    )
    column_names: Texts = Field(
        default=(), description="Of CSV and Excel: the columns' names, instead of those in the file."
    )
    records_at: str | None = Field(
        default=None, min_length=1, description="Of JSON: where in the document the list of records is."
    )
    sheet: Text | None = Field(default=None, description="Of Excel: the sheet's name.")


class Freshness(Strict):
    """How old the newest record may be at a run's as_of."""

    warn_after: Duration | None = None
    error_after: Duration | None = None


class Limits(Strict):
    """Past which a batch is held instead of loaded."""

    rejected: Text = Field(
        default="5%",
        description="How many of a batch's rows may be rejected; off: any number. Ten rows always may.",
        examples=["5%", "0.5%", "off"],
    )
    rows: Texts = Field(
        default=("0.1", "10"),
        description="The least and the most rows of a batch, as multiples of the usual size; off: any.",
        examples=[["0.5", "2"], "off"],
    )


class SourceFile(Strict):
    """One feed: where it is, which stream it fills, how its columns map."""

    stream: str
    source: str | None = Field(
        default=None, min_length=1, description="Default: the file's name without its ending."
    )
    mode: str | None = Field(
        default=None, description="How the feed delivers its rows; each stream has a default."
    )
    read: Read
    explode: str | None = Field(
        default=None,
        description="A list in each record, each element of which is a row, such as line_items[] or "
        "refunds[].refund_line_items[].",
    )
    only: dict[str, Texts] = Field(
        default_factory=dict,
        description="Source column: the values that a row may have there; other rows are not read.",
    )
    columns: dict[str, ColumnMapping] = Field(min_length=1, description="Stream column: source column.")
    freshness: Freshness | None = None
    limits: Limits = Limits()

    @property
    def origin(self) -> Database | Rest | None:
        """The database or API that is read; None where files are."""
        return self.read.database or self.read.rest
