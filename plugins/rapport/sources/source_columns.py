"""The columns of a chunk by reference, those inside nested values too; each nested value is parsed once."""

from typing import Any

import pyarrow as pa

from rapport.sources.paths import as_text, decode, resolve, walk


class SourceColumns:
    """`source` is a chunk's rows; `broken` grows by the columns into which a reference leads and which hold a
    text that is no JSON: true where they do."""

    def __init__(self, source: pa.RecordBatch) -> None:
        self._source = source
        self._names = source.schema.names
        self._values: dict[str, list[Any]] = {}
        self.broken: dict[str, pa.BooleanArray] = {}

    def get(self, reference: str) -> pa.StringArray:
        """The column's texts; all null where this chunk has no such column."""
        found = resolve(reference, self._names)
        if found is None:
            return pa.nulls(self._source.num_rows, pa.string())
        if not found.steps:
            return self._source.column(found.root)
        values = self._decoded(found.root)
        return pa.array([as_text(walk(value, found.steps)) for value in values], pa.string())

    def is_nested(self, reference: str) -> bool:
        """Whether the reference leads into a column's values."""
        found = resolve(reference, self._names)
        return found is not None and bool(found.steps)

    def _decoded(self, root: str) -> list[Any]:
        if root not in self._values:
            texts = self._source.column(root).to_pylist()
            decoded = [_decode(text) for text in texts]
            self._values[root] = decoded
            wrong = [value is _BROKEN for value in decoded]
            if any(wrong):
                self.broken[root] = pa.array(wrong)
        return self._values[root]


_BROKEN = object()


def _decode(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return decode(text)
    except (ValueError, RecursionError):
        return _BROKEN
