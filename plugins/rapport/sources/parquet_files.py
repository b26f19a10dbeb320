"""Parquet → chunks: every value as the text that says exactly what it is."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.errors import InputError
from rapport.sources import faults
from rapport.sources.arrow_texts import exact_texts
from rapport.sources.chunk import CHUNK_ROWS, Chunk
from rapport.sources.feed import Feed
from rapport.sources.mapped_columns import refuse_missing_columns
from rapport.sources.stored_file import SourceFile


def read_parquet(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The rows of a Parquet file; a row's line is its number in the file, from 1.

    Times with a zone become UTC, with an offset; nested values become JSON text.

    Raises:
        InputError: it is no Parquet, or damaged, or lacks a mapped column.
    """
    next_line = 1
    try:
        with file.open_seekable() as stream:
            parquet = pq.ParquetFile(stream)
            names = parquet.schema_arrow.names
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise InputError(
                    f"{file.path}: the column {twice!r} is there twice; give each column its own name"
                )
            refuse_missing_columns(feed, file.path, names)
            for batch in parquet.iter_batches(CHUNK_ROWS):
                columns = {name: exact_texts(batch.column(name)) for name in names}
                lines = np.arange(next_line, next_line + batch.num_rows, dtype=np.int64)
                next_line += batch.num_rows
                yield Chunk(pa.RecordBatch.from_pydict(columns), pa.array(lines))
    except faults.UNREADABLE as error:
        if next_line == 1 and _is_empty(file):
            raise InputError(
                f"{file.path} is empty (0 bytes of content); a Parquet file is expected"
            ) from None
        faults.explain(feed, file, error)


def _is_empty(file: SourceFile) -> bool:
    try:
        with file.open() as stream:
            return not stream.read(1)
    except faults.UNREADABLE:
        return False
