"""What every reader gives: rows of a file as text, with the lines they stand on."""

from dataclasses import dataclass, field

import pyarrow as pa

CHUNK_ROWS = 50_000
CHUNK_BYTES = 32 << 20


@dataclass(frozen=True)
class Unreadable:
    """A row that is none. `text` is what stands in the file."""

    line_number: int
    text: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of a file.

    `rows` has one string column for each of the file's columns; null is a missing or an empty value.
    `lines` (int64, as long as `rows`) are the rows' numbers in the file, from 1, the header counted.
    """

    rows: pa.RecordBatch
    lines: pa.Int64Array
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        """Every row of the file that is in here, readable or not."""
        return int(self.rows.num_rows) + len(self.unreadable)
