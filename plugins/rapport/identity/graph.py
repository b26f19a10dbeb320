"""The identity graph as arrays: which identifiers belong together, and which of them names their customer.

An identifier is a code, its position in the order of strength (kind, source, value), so that a smaller code
is the stronger identifier and no answer depends on the order in which rows arrive.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1


def components(size: int, left: Codes, right: Codes) -> Codes:
    """The component of each of `size` vertices, as labels from 0; `left[i]` and `right[i]` are linked."""
    links = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    return connected_components(links, directed=False)[1].astype(np.int64)


def links(columns: Sequence[Codes], cuts: Codes, size: int) -> tuple[Codes, Codes]:
    """The links of rows: each identifier of a row with the strongest one of it.

    Args:
        columns: by kind, the strongest first, each row's vertex or -1.
        cuts: the pairs that do not link, the smaller vertex times `size` plus the other. A row with such a
            pair links every other pair of it instead.
        size: how many vertices there are.
    """
    is_cut = np.zeros(len(columns[0]), dtype=bool)
    if len(cuts):
        for left, right in _pairs(columns):
            is_cut |= np.isin(pair_ids(left, right, size), cuts) & (left >= 0) & (right >= 0)
    hub = columns[-1]
    for stronger in reversed(columns[:-1]):
        hub = np.where(stronger >= 0, stronger, hub)
    found = [(hub[rows], column[rows]) for column in columns for rows in [_linked(hub, column) & ~is_cut]]
    if is_cut.any():
        rows = np.flatnonzero(is_cut)
        for left, right in _pairs([column[rows] for column in columns]):
            kept = (left >= 0) & (right >= 0) & ~np.isin(pair_ids(left, right, size), cuts)
            found.append((left[kept], right[kept]))
    return np.concatenate([left for left, _ in found]), np.concatenate([right for _, right in found])


def pair_ids(left: Codes, right: Codes, size: int) -> Codes:
    """One number per unordered pair of vertices."""
    return np.minimum(left, right) * size + np.maximum(left, right)


def first_of_each(labels: Codes, vertices: Codes, ages: Sequence[Codes]) -> Codes:
    """By component, the vertex among `vertices` with the smallest ages (compared in turn), or NOBODY.

    Of equal ages the smaller vertex is first. `ages` are by vertex.
    """
    first = np.full(labels.max(initial=-1) + 1, NOBODY, dtype=np.int64)
    order = np.lexsort((vertices, *(age[vertices] for age in reversed(ages))))
    oldest_last = vertices[order][::-1]
    first[labels[oldest_last]] = oldest_last
    return first


def _linked(hub: Codes, column: Codes) -> Flags:
    linked: Flags = (column >= 0) & (column != hub)
    return linked


def _pairs(columns: Sequence[Codes]) -> list[tuple[Codes, Codes]]:
    return [
        (columns[left], columns[right])
        for left in range(len(columns))
        for right in range(left + 1, len(columns))
    ]
