"""Identifiers that many people share: a family's tablet, an office phone, info@."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.identity.configuration import Guard
from rapport.identity.graph import Codes
from rapport.identity.observations import KINDS, SCOPED_KINDS, STRONG_KINDS, TEXT, Observed

SHARED = pa.schema(
    [
        ("kind", TEXT),
        ("source", TEXT),
        ("value", TEXT),
        ("linked_kind", TEXT),
        ("linked_source", TEXT),
        ("links", pa.int64()),
    ]
)


def shared_identifiers(observed: Observed, columns: Sequence[Codes], guard: Guard) -> pa.Table:
    """The identifiers (schema SHARED) that were seen with too many distinct strong identifiers of one kind.

    Counted is what stood in one row with it, each identifier once: customer numbers and contacts of one
    source, e-mail addresses or phones. Devices do not count, nor does what only other rows connect, so that
    the answer depends neither on the order of rows nor on which other identifiers are shared. `links` is the
    greatest count, of the kind and source named beside it.

    Args:
        columns: `observed.codes` with one code for all spellings of a mailbox.
    """
    size = len(observed)
    group = _groups(observed)
    groups = int(group.max(initial=-1)) + 1
    pairs = _distinct(np.concatenate([np.empty(0, dtype=np.int64), *_neighbours(observed, columns, size)]))
    counted, links = np.unique((pairs // size) * groups + group[pairs % size], return_counts=True)
    vertex, group_code = counted // max(groups, 1), counted % max(groups, 1)
    limits = np.array([guard.limit(kind) for kind, _, _ in KINDS])
    too_many = np.flatnonzero(links > limits[observed.kinds[vertex]])
    most = too_many[np.lexsort((group_code[too_many], -links[too_many], vertex[too_many]))]
    _, first = np.unique(vertex[most], return_index=True)
    most = most[first]
    example = np.full(max(groups, 1), -1)
    example[group[::-1]] = np.arange(observed.strong)[::-1]
    of_group = observed.identifiers.take(pa.array(example[group_code[most]]))
    identifiers = observed.identifiers.take(pa.array(vertex[most]))
    is_scoped = pc.is_in(of_group["kind"], pa.array(sorted(SCOPED_KINDS), TEXT))
    return pa.table(
        {
            **{name: identifiers[name] for name in identifiers.column_names},
            "linked_kind": of_group["kind"],
            "linked_source": pc.if_else(is_scoped, of_group["source"], pa.scalar("", TEXT)),
            "links": pa.array(links[most]),
        },
        SHARED,
    )


def _groups(observed: Observed) -> Codes:
    """Of each strong identifier, what it is counted with: its kind and source."""
    strong = observed.identifiers.slice(0, observed.strong)
    source = strong["source"].combine_chunks().dictionary_encode()
    sources = max(len(source.dictionary), 1)
    return observed.kinds[: observed.strong] * sources + source.indices.to_numpy().astype(np.int64)


def _neighbours(observed: Observed, columns: Sequence[Codes], size: int) -> list[Codes]:
    """Every pair of an identifier and a strong one of a row that holds, as one number."""
    found = []
    for own, left in enumerate(columns):
        for other, right in enumerate(columns[:STRONG_KINDS]):
            if own != other:
                rows = (left >= 0) & (right >= 0) & observed.is_current
                found.append(left[rows] * size + right[rows])
    return found


def _distinct(values: Codes) -> Codes:
    """The distinct values in order; to sort is three times as fast as np.unique's hashing."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered
