"""From rows that name a person in several ways to numbered identifiers, and when each was seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.identity.graph import Codes

TEXT = pa.large_string()  # a column of plain strings ends at 2 GB
TIMESTAMP = pa.timestamp("us", "UTC")

# The columns of intermediate.int_identity_observations that decide who is who.
OBSERVATIONS = pa.schema(
    [
        ("source", TEXT),
        ("customer_number", TEXT),
        ("contact_id", TEXT),
        ("email", TEXT),
        ("phone", TEXT),
        ("anonymous_id", TEXT),
        ("is_current", pa.bool_()),
        ("first_batch_id", pa.int64()),
        ("batch_first_seen_at", TIMESTAMP),
        ("first_seen_at", TIMESTAMP),
        ("last_seen_at", TIMESTAMP),
    ]
)
KEY = ("kind", "source", "value")

# The strongest first: kind, column, whether equal values in two sources mean two people.
KINDS = (
    ("customer_number", "customer_number", True),
    ("contact", "contact_id", True),
    ("email", "email", False),
    ("phone", "phone", False),
    ("device", "anonymous_id", False),
)
COLUMN_OF = {kind: column for kind, column, _ in KINDS}
STRONG_KINDS = 4
SCOPED_KINDS = frozenset(kind for kind, _, is_scoped in KINDS if is_scoped)

# PostgreSQL's text cannot hold it, and it sorts before every letter.
SEPARATOR = "\0"


@dataclass(frozen=True)
class Observed:
    """What the observations say.

    Attributes:
        identifiers: a row per identifier in the order kind, source, value, with those columns. Its position
        is
            its code: a smaller one is the stronger identifier.
        kinds: each identifier's position in KINDS.
        strong: how many of them can make a customer; they come first.
        codes: by kind, each row's identifier, or -1.
        is_current: whether each row holds still; rows of superseded versions only tell when somebody was
        seen.
        first_batch_id, batch_first_seen_at: each identifier's first load, and its first time within that load
            in microseconds. A late record that comes with a later load does not move them.
        first_seen_at, last_seen_at: its earliest and latest time, in microseconds.
    """

    identifiers: pa.Table
    kinds: Codes
    strong: int
    codes: tuple[Codes, ...]
    is_current: NDArray[np.bool_]
    first_batch_id: Codes
    batch_first_seen_at: Codes
    first_seen_at: Codes
    last_seen_at: Codes

    def __len__(self) -> int:
        return self.identifiers.num_rows

    def find(self, identifiers: pa.Table) -> Codes:
        """The code of each row of a table with kind, source and value; -1 where it was not observed."""
        if not len(identifiers):
            return np.empty(0, dtype=np.int64)
        own, wanted = identifier_keys(self.identifiers), identifier_keys(identifiers)
        return pc.fill_null(pc.index_in(wanted, own), -1).to_numpy().astype(np.int64)


def without_placeholders(observations: pa.Table, expressions: Mapping[str, str | None]) -> pa.Table:
    """The observations with null for every value that its kind's regular expression matches as a whole."""
    for kind, column, _ in KINDS:
        expression = expressions.get(kind)
        if expression is None:
            continue
        encoded = observations[column].combine_chunks().dictionary_encode()
        is_placeholder = pc.match_substring_regex(encoded.dictionary, f"^(?:{expression})$", ignore_case=True)
        if not pc.any(is_placeholder).as_py():
            continue
        kept = pc.if_else(is_placeholder, pa.scalar(None, TEXT), encoded.dictionary)
        observations = observations.set_column(
            observations.column_names.index(column), column, kept.take(encoded.indices)
        )
    return observations


def observe(observations: pa.Table) -> Observed:
    """Number the identifiers of the observations (schema OBSERVATIONS).

    The result is the same in whatever order the rows come and however often one is repeated.
    """
    tables, codes, kinds = [], [], []
    size = strong = 0
    for rank, (kind, column, is_scoped) in enumerate(KINDS):
        identifiers, kind_codes = _number(observations, kind, column, is_scoped)
        tables.append(identifiers)
        codes.append(np.where(kind_codes < 0, -1, kind_codes + size))
        kinds.append(np.full(len(identifiers), rank, dtype=np.int64))
        size += len(identifiers)
        if rank < STRONG_KINDS:
            strong = size
    batch, batch_first, first, last = (
        _integers(observations[name])
        for name in ("first_batch_id", "batch_first_seen_at", "first_seen_at", "last_seen_at")
    )
    seen = np.concatenate(codes)
    row = np.tile(np.arange(len(batch)), len(KINDS))[seen >= 0]
    seen = seen[seen >= 0]
    first_batch = _least(size, seen, batch[row])
    in_first_batch = batch[row] == first_batch[seen]
    return Observed(
        identifiers=pa.concat_tables(tables),
        kinds=np.concatenate(kinds),
        strong=strong,
        codes=tuple(codes),
        is_current=observations["is_current"].to_numpy(zero_copy_only=False).astype(bool),
        first_batch_id=first_batch,
        batch_first_seen_at=_least(size, seen[in_first_batch], batch_first[row[in_first_batch]]),
        first_seen_at=_least(size, seen, first[row]),
        last_seen_at=-_least(size, seen, -last[row]),
    )


def identifier_keys(identifiers: pa.Table) -> pa.ChunkedArray:
    """One text per identifier; two are equal exactly when kind, source and value are."""
    return _joined(*(identifiers[name].cast(TEXT) for name in KEY))


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


def times(microseconds: Codes) -> pa.Array:
    """Microseconds since 1970 as timestamps."""
    return pa.array(microseconds).cast(TIMESTAMP)
