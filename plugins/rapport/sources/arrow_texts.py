"""Arrow's typed columns → the texts that say exactly what their values are."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def exact_texts(column: Any) -> pa.Array:
    """The values as text; null and "" are none. Times with a zone are in UTC, nested values are JSON."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return exact_texts(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # Instants are UTC inside; without the zone they print as such, and need no zone database.
        naive = column.cast(pa.timestamp(kind.unit, "UTC")).view(pa.timestamp(kind.unit))
        return pc.binary_join_element_wise(naive.cast(pa.string()), "Z", "")
    if pa.types.is_nested(kind):
        return pa.array(
            [
                None if v is None else json.dumps(v, ensure_ascii=False, default=str)
                for v in column.to_pylist()
            ],
            pa.string(),
        )
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)
