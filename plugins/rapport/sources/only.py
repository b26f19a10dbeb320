"""The rows of a feed, where what is read holds others too, such as audits beside the comments."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from rapport.sources.chunk import Chunk
from rapport.sources.source_columns import SourceColumns


def only_rows(only: Mapping[str, tuple[str, ...]], chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks without the rows that have another value than those named for a source column, or none."""
    for chunk in chunks:
        yield _chosen(only, chunk) if only and chunk.rows.num_rows else chunk


def _chosen(only: Mapping[str, tuple[str, ...]], chunk: Chunk) -> Chunk:
    sources = SourceColumns(chunk.rows)
    chosen = pa.repeat(True, chunk.rows.num_rows)
    for reference, values in only.items():
        found = pc.is_in(sources.get(reference), pa.array(values, pa.string()))
        chosen = pc.and_(chosen, found)
    return replace(chunk, rows=chunk.rows.filter(chosen), lines=chunk.lines.filter(chosen))
