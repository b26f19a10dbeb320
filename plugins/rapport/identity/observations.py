"""From rows that name a person in several ways to numbered identifiers and the links between them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.identity.graph import Codes

TEXT = pa.large_string()  # a column of plain strings ends at 2 GB
TIMESTAMP = pa.timestamp("us", "UTC")

OBSERVATIONS = pa.schema(
    [
        ("stream", TEXT),
        ("source", TEXT),
        ("customer_number", TEXT),
        ("contact_id", TEXT),
        ("email", TEXT),
        ("phone", TEXT),
        ("anonymous_id", TEXT),
        ("record_id", TEXT),
        ("first_batch_id", pa.int64()),
        ("first_seen_at", TIMESTAMP),
        ("last_seen_at", TIMESTAMP),
    ]
)

# The strongest first: kind, column, whether equal values in two sources mean two people.
KINDS = (
    ("customer_number", "customer_number", True),
    ("contact", "contact_id", True),
    ("email", "email", False),
    ("phone", "phone", False),
    ("device", "anonymous_id", False),
)
STRONG_KINDS = 4

# PostgreSQL's text cannot hold it, and it sorts before every letter.
SEPARATOR = "\0"


@dataclass(frozen=True)
class Observed:
    """What the observations say.

    Attributes:
        identifiers: a row per identifier in the order kind, source, value: kind, source, value,
            first_batch_id, first_seen_at, last_seen_at.
        strong: how many of them can make a customer; they come first.
        first_seen_in_batch: each identifier's first time within its first load, in microseconds. A late
            record that comes with a later load does not move it, so that it can decide who was first.
        left, right: the two identifiers of each edge, the stronger on the left.
        edges: a row per edge, beside `left` and `right`: stream, source, record_id (the first one's),
            first_batch_id, first_seen_at, last_seen_at.
    """

    identifiers: pa.Table
    strong: int
    first_seen_in_batch: Codes
    left: Codes
    right: Codes
    edges: pa.Table


def observe(observations: pa.Table) -> Observed:
    """Number the identifiers of the observations (schema OBSERVATIONS) and link those of one row.

    A row's identifiers are linked to the strongest of them. The result is the same in whatever order the
    rows come and however often one is repeated.
    """
    tables, codes = [], []
    size = strong = 0
    for rank, (kind, column, is_scoped) in enumerate(KINDS):
        identifiers, kind_codes = _number(observations, kind, column, is_scoped)
        tables.append(identifiers)
        codes.append(np.where(kind_codes < 0, -1, kind_codes + size))
        size += len(identifiers)
        if rank < STRONG_KINDS:
            strong = size
    batch, first, last = (
        _integers(observations[name]) for name in ("first_batch_id", "first_seen_at", "last_seen_at")
    )
    seen = np.concatenate(codes)
    row = np.tile(np.arange(len(batch)), len(KINDS))[seen >= 0]
    seen = seen[seen >= 0]
    first_batch = _least(size, seen, batch[row])
    in_first_batch = batch[row] == first_batch[seen]
    left, right, edges = _edges(observations, codes, size)
    return Observed(
        identifiers=(
            pa.concat_tables(tables)
            .append_column("first_batch_id", pa.array(first_batch))
            .append_column("first_seen_at", _times(_least(size, seen, first[row])))
            .append_column("last_seen_at", _times(-_least(size, seen, -last[row])))
        ),
        strong=strong,
        first_seen_in_batch=_least(size, seen[in_first_batch], first[row[in_first_batch]]),
        left=left,
        right=right,
        edges=edges,
    )


def identifier_keys(
    kind: pa.ChunkedArray, source: pa.ChunkedArray, value: pa.ChunkedArray
) -> pa.ChunkedArray:
    """One text per identifier; two are equal exactly when kind, source and value are."""
    return _joined(kind, source, value)


def _number(observations: pa.Table, kind: str, column: str, is_scoped: bool) -> tuple[pa.Table, Codes]:
    """The kind's identifiers in order, and each row's number among them (-1 where it has none)."""
    values = observations[column]
    if is_scoped:
        values = _joined(observations["source"], values)
    encoded = values.combine_chunks().dictionary_encode()
    found = encoded.dictionary
    order = pc.sort_indices(found).to_numpy()
    number = np.empty(len(order) + 1, dtype=np.int64)
    number[order] = np.arange(len(order))
    number[-1] = -1
    ordered = found.take(pa.array(order))
    if is_scoped:
        parts = pc.split_pattern(ordered, SEPARATOR, max_splits=1)
        source, value = pc.list_element(parts, 0), pc.list_element(parts, 1)
    else:
        source, value = pa.array([""] * len(ordered), TEXT), ordered
    table = pa.table({"kind": pa.array([kind] * len(ordered), TEXT), "source": source, "value": value})
    return table, number[pc.fill_null(encoded.indices, -1).to_numpy()]


def _edges(observations: pa.Table, codes: list[Codes], size: int) -> tuple[Codes, Codes, pa.Table]:
    """The distinct pairs of each stream and source, each with its first record."""
    hub = codes[-1]
    for stronger in reversed(codes[:-1]):
        hub = np.where(stronger >= 0, stronger, hub)
    linked = [np.flatnonzero((code >= 0) & (code != hub)) for code in codes]
    row = np.concatenate(linked)
    left = hub[row]
    right = np.concatenate([code[rows] for code, rows in zip(codes, linked, strict=True)])
    place = _joined(observations["stream"], observations["source"])
    place_code = _integers(pc.rank(place, tiebreaker="dense"))[row] if len(row) else row
    batch, first, last = (
        _integers(observations[name])[row] for name in ("first_batch_id", "first_seen_at", "last_seen_at")
    )
    record = _integers(pc.rank(observations["record_id"], tiebreaker="dense"))[row] if len(row) else row
    pair = left * size + right
    order = np.lexsort((record, first, batch, place_code, pair))
    pair, place_code = pair[order], place_code[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (pair[1:] != pair[:-1]) | (place_code[1:] != place_code[:-1])
    starts = np.flatnonzero(begins)
    kept = order[starts]
    table = observations.select(["stream", "source", "record_id", "first_batch_id"]).take(pa.array(row[kept]))
    if len(starts):
        first, last = np.minimum.reduceat(first[order], starts), np.maximum.reduceat(last[order], starts)
    table = table.append_column("first_seen_at", _times(first)).append_column("last_seen_at", _times(last))
    return left[kept], right[kept], table


def _joined(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*columns, pa.scalar(SEPARATOR, TEXT))


def _least(size: int, group: Codes, values: Codes) -> Codes:
    least = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(least, group, values)
    return least


def _integers(column: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _times(microseconds: Codes) -> pa.Array:
    return pa.array(microseconds).cast(TIMESTAMP)
