"""Which customer each identifier belongs to, without a database."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.identity.graph import NOBODY, Codes, Flags, components, first_of_each, links, pair_ids
from rapport.identity.observations import KEY, SEPARATOR, TEXT, Observed, times

IDENTIFIER = pa.schema([(name, TEXT) for name in KEY])
PAIR = pa.schema([(f"{name}_{side}", TEXT) for side in "ab" for name in KEY])
MEMBER = pa.schema([*IDENTIFIER, ("customer_id", TEXT)])
FORM = pa.schema([("email", TEXT), ("normal_form", TEXT)])


@dataclass(frozen=True)
class Rules:
    """What decides beside the rows.

    Attributes:
        forms: e-mail addresses with their normal form; equal forms are one mailbox (schema FORM).
        unlinking: identifiers that link nobody (schema IDENTIFIER).
        cuts, joins: pairs of identifiers that a person took apart or put together (schema PAIR).
    """

    forms: pa.Table = field(default_factory=FORM.empty_table)
    unlinking: pa.Table = field(default_factory=IDENTIFIER.empty_table)
    cuts: pa.Table = field(default_factory=PAIR.empty_table)
    joins: pa.Table = field(default_factory=PAIR.empty_table)


@dataclass(frozen=True)
class Resolution:
    """Whose the identifiers are; columns as in the tables of schema identity.

    Attributes:
        identifiers: those of customers: kind, source, value, customer_id, first_batch_id,
            batch_first_seen_at, first_seen_at, last_seen_at.
        customers: who these customers are named after: customer_id, kind, source, value, first_batch_id,
            first_seen_at.
        absorbed: whole customers that went into another: old_customer_id, customer_id.
    """

    identifiers: pa.Table
    customers: pa.Table
    absorbed: pa.Table


def mailboxes(observed: Observed, forms: pa.Table) -> Codes:
    """For each identifier itself, but for the spellings of one mailbox the first of them."""
    vertex = np.arange(len(observed))
    if not len(forms):
        return vertex
    emails = pa.table(
        {
            "kind": pa.array(["email"] * len(forms), TEXT),
            "source": pa.array([""] * len(forms), TEXT),
            "value": forms["email"],
        }
    )
    code = observed.find(emails)
    form = forms["normal_form"].combine_chunks().dictionary_encode().indices.to_numpy()
    form, code = form[code >= 0], code[code >= 0]
    first = np.full(form.max(initial=-1) + 1, len(observed))
    np.minimum.at(first, form, code)
    vertex[code] = first[form]
    return vertex


def resolve(observed: Observed, rules: Rules, whole: pa.Table | None = None) -> Resolution:
    """Name every component of the graph.

    A component is named after its strong identifier that was seen first: by load, by time within that load,
    by strength. Loads come in order, so that a name stays and of two customers that merge the older one's
    does, and building again from nothing gives the same names.

    Args:
        whole: members (schema MEMBER) of customers from whom nothing is taken away; those of one customer
            stay together without the rows that say why.
    """
    whole = MEMBER.empty_table() if whole is None else whole
    is_alive = np.zeros(len(observed), dtype=bool)
    for column in observed.codes:
        is_alive[column[observed.is_current & (column >= 0)]] = True
    labels = _labels(observed, is_alive, rules, whole)
    candidates = np.flatnonzero(is_alive[: observed.strong])
    named_after = first_of_each(labels, candidates, (observed.first_batch_id, observed.batch_first_seen_at))
    origin = named_after[labels[: len(observed)]]
    shown = np.flatnonzero(is_alive & (origin != NOBODY))
    origins, of_customer = np.unique(origin[shown], return_inverse=True)
    customers = observed.identifiers.take(pa.array(origins))
    customer_ids = _derive_ids(customers)
    return Resolution(
        identifiers=observed.identifiers.take(pa.array(shown))
        .append_column("customer_id", customer_ids.take(pa.array(of_customer)))
        .append_column("first_batch_id", pa.array(observed.first_batch_id[shown]))
        .append_column("batch_first_seen_at", times(observed.batch_first_seen_at[shown]))
        .append_column("first_seen_at", times(observed.first_seen_at[shown]))
        .append_column("last_seen_at", times(observed.last_seen_at[shown])),
        customers=customers.add_column(0, "customer_id", customer_ids)
        .append_column("first_batch_id", pa.array(observed.first_batch_id[origins]))
        .append_column("first_seen_at", times(observed.batch_first_seen_at[origins])),
        absorbed=_absorbed(observed, origin, whole),
    )


def derive_id(kind: str, source: str, value: str) -> str:
    """The id of the customer who is named after this identifier."""
    return "c_" + hashlib.sha256(SEPARATOR.join((kind, source, value)).encode()).hexdigest()[:20]


def _labels(observed: Observed, is_alive: Flags, rules: Rules, whole: pa.Table) -> Codes:
    """The component of every identifier, then of every whole customer."""
    size = len(observed)
    mailbox = mailboxes(observed, rules.forms)
    links_people = np.ones(size + 1, dtype=bool)
    links_people[mailbox[_found(observed, rules.unlinking)]] = False
    columns = []
    for column in observed.codes:
        vertex = np.append(mailbox, -1)[column[observed.is_current]]
        columns.append(np.where(links_people[vertex], vertex, -1))
    left, right = links(columns, _pairs(observed, mailbox, rules.cuts), size)
    joined = _both_found(observed, rules.joins)
    both_alive = is_alive[joined[0]] & is_alive[joined[1]]
    customer = whole["customer_id"].combine_chunks().dictionary_encode()
    spelled = np.flatnonzero(mailbox != np.arange(size))
    return components(
        size + len(customer.dictionary),
        np.concatenate([left, mailbox[joined[0][both_alive]], spelled, observed.find(whole)]),
        np.concatenate(
            [
                right,
                mailbox[joined[1][both_alive]],
                mailbox[spelled],
                size + customer.indices.to_numpy().astype(np.int64),
            ]
        ),
    )


def _absorbed(observed: Observed, origin: Codes, whole: pa.Table) -> pa.Table:
    if not len(whole):
        return pa.table({"old_customer_id": pa.array([], TEXT), "customer_id": pa.array([], TEXT)})
    names = _derive_ids(observed.identifiers.take(pa.array(origin[observed.find(whole)])))
    pairs = pa.table({"old_customer_id": whole["customer_id"], "customer_id": names})
    went = pairs.filter(pc.not_equal(pairs["old_customer_id"], pairs["customer_id"]))
    return went.group_by(["old_customer_id", "customer_id"]).aggregate([])


def _found(observed: Observed, identifiers: pa.Table) -> Codes:
    codes = observed.find(identifiers)
    return codes[codes >= 0]


def _both_found(observed: Observed, pairs: pa.Table) -> tuple[Codes, Codes]:
    """The codes of both sides of those pairs of which both were observed."""
    sides = [
        observed.find(pairs.select([f"{name}_{side}" for name in KEY]).rename_columns(list(KEY)))
        for side in "ab"
    ]
    both = (sides[0] >= 0) & (sides[1] >= 0)
    return sides[0][both], sides[1][both]


def _pairs(observed: Observed, mailbox: Codes, pairs: pa.Table) -> Codes:
    left, right = _both_found(observed, pairs)
    return pair_ids(mailbox[left], mailbox[right], len(observed))


def _derive_ids(identifiers: pa.Table) -> pa.Array:
    columns = (identifiers[name].to_pylist() for name in KEY)
    return pa.array([derive_id(*identifier) for identifier in zip(*columns, strict=True)], TEXT)
