"""The identity graph as arrays: which identifiers belong together, and which one names their customer.

An identifier is its position in the order of strength (kind, source, value), so that a smaller number is the
stronger identifier and the answer does not depend on the order in which rows arrive.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Codes = NDArray[np.int64]

VISITOR = -1


def components(size: int, left: Codes, right: Codes) -> Codes:
    """The component of each of `size` identifiers, as labels from 0; `left[i]` and `right[i]` are linked."""
    links = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    return connected_components(links, directed=False)[1].astype(np.int64)


def origins(
    labels: Codes, strong: int, first_batch_id: Codes, first_seen_at: Codes, registered: Codes
) -> Codes:
    """The identifier that each identifier's customer is named after, or VISITOR where there is no customer.

    Args:
        labels: each identifier's component.
        strong: how many identifiers can make a customer; they come first.
        first_batch_id: each identifier's first load.
        first_seen_at: its first time within that load, in microseconds.
        registered: the identifiers that already gave a customer its id, the oldest customer first.

    A component is named after its oldest registered identifier, so that ids stay and a merge keeps the older
    one; where there is none, after the strong identifier that was there first.
    """
    named_after = np.full(labels.max(initial=-1) + 1, VISITOR, dtype=np.int64)
    first_first = np.lexsort((np.arange(strong), first_seen_at[:strong], first_batch_id[:strong]))
    for candidates in (first_first, registered):
        last_wins = candidates[::-1]
        named_after[labels[last_wins]] = last_wins
    return named_after[labels]
