"""What may stand under `read.database`."""

from typing import Annotated

from pydantic import Field

from rapport.sources.strict import Strict

OverlapText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8}|[1-9][0-9]{0,4}[smhd])$", examples=["15m"])]


class Database(Strict):
    """A table or a query in a database that SQLAlchemy or an ADBC driver reaches."""

    connection: str = Field(min_length=1, description="The id of an Airflow connection.")
    table: str | None = Field(
        default=None, min_length=1, description="A table or view, as name or schema.name."
    )
    query: str | None = Field(default=None, min_length=1, description="A select, instead of a table.")
    cursor: str | None = Field(
        default=None,
        min_length=1,
        description="The column that says when a row was changed. Without it, everything is read each time.",
    )
    overlap: OverlapText | None = Field(
        default=None,
        description="How far before its end the next reading begins; default 15m, of numbers 1000.",
    )
    start: str | None = Field(
        default=None, description="Where the first reading begins; default at the beginning."
    )
