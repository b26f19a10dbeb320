"""Which customer each identifier belongs to, without a database."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.identity.graph import VISITOR, Codes, components, origins
from rapport.identity.observations import SEPARATOR, TEXT, TIMESTAMP, Observed, identifier_keys

REGISTERED = pa.schema(
    [
        ("customer_id", TEXT),
        ("kind", TEXT),
        ("source", TEXT),
        ("value", TEXT),
        ("first_batch_id", pa.int64()),
        ("first_seen_at", TIMESTAMP),
        ("created_run_id", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Resolution:
    """The state that the identity tables should have; columns as in the tables, run columns apart."""

    identifiers: pa.Table
    edges: pa.Table
    new_customers: pa.Table
    merges: pa.Table


def resolve(observed: Observed, customers: pa.Table) -> Resolution:
    """Name every component of the graph, given the customers registered so far (schema REGISTERED).

    Customers keep their ids: see `rapport.identity.graph.origins`. An id is derived from the identifier that
    the customer is named after, so that building again from nothing gives the same ids.
    """
    identifiers = observed.identifiers
    labels = components(len(identifiers), observed.left, observed.right)
    customers, registered = _oldest_first(identifiers.slice(0, observed.strong), customers)
    batch = identifiers["first_batch_id"].to_numpy()
    origin = origins(labels, observed.strong, batch, observed.first_seen_in_batch, registered)

    new = np.setdiff1d(origin[origin != VISITOR], registered)
    new_customers = identifiers.select(["kind", "source", "value"]).take(pa.array(new))
    new_customers = new_customers.add_column(0, "customer_id", _derive_ids(new_customers))
    new_customers = new_customers.append_column("first_batch_id", pa.array(batch[new])).append_column(
        "first_seen_at", pa.array(observed.first_seen_in_batch[new]).cast(TIMESTAMP)
    )

    names = pa.chunked_array([*customers["customer_id"].chunks, *new_customers["customer_id"].chunks], TEXT)
    name_of = np.full(len(identifiers), -1, dtype=np.int64)
    name_of[np.concatenate([registered, new])] = np.arange(len(names))
    of_customers = np.flatnonzero(origin != VISITOR)
    gone_into = origin[registered]
    redirected = np.flatnonzero(gone_into != registered)
    return Resolution(
        identifiers=identifiers.take(pa.array(of_customers)).append_column(
            "customer_id", names.take(pa.array(name_of[origin[of_customers]]))
        ),
        edges=_edges(observed),
        new_customers=new_customers,
        merges=pa.table(
            {
                "old_customer_id": customers["customer_id"].take(pa.array(redirected)),
                "customer_id": names.take(pa.array(name_of[gone_into[redirected]])),
            }
        ),
    )


def derive_id(kind: str, source: str, value: str) -> str:
    """The id of the customer who is named after this identifier."""
    return "c_" + hashlib.sha256(SEPARATOR.join((kind, source, value)).encode()).hexdigest()[:20]


def _derive_ids(identifiers: pa.Table) -> pa.Array:
    columns = (identifiers[name].to_pylist() for name in ("kind", "source", "value"))
    return pa.array([derive_id(*identifier) for identifier in zip(*columns, strict=True)], TEXT)


def _oldest_first(identifiers: pa.Table, customers: pa.Table) -> tuple[pa.Table, Codes]:
    """Those registered customers whose origin is among the identifiers, and which identifier it is."""
    keys = [
        identifier_keys(table["kind"], table["source"], table["value"]) for table in (customers, identifiers)
    ]
    found = pc.fill_null(pc.index_in(keys[0], keys[1]), -1).to_numpy().astype(np.int64)
    age = [customers[name].to_numpy() for name in ("first_seen_at", "first_batch_id", "created_run_id")]
    order = np.lexsort((found, *age))
    order = order[found[order] >= 0]
    return customers.take(pa.array(order)), found[order]


def _edges(observed: Observed) -> pa.Table:
    keys = observed.identifiers.select(["kind", "source", "value"])
    sides = [
        (keys.take(pa.array(codes)), suffix)
        for codes, suffix in ((observed.left, "a"), (observed.right, "b"))
    ]
    columns = {f"{name}_{suffix}": side[name] for side, suffix in sides for name in side.column_names}
    return pa.table({**columns, **{name: observed.edges[name] for name in observed.edges.column_names}})
