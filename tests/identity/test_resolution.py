"""Who belongs together and what they are called, against a union-find over the same rows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rapport.identity.observations import KINDS, OBSERVATIONS, observe
from rapport.identity.resolution import FORM, IDENTIFIER, PAIR, Resolution, Rules, derive_id, resolve

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, object]
Identifier = tuple[str, str, str]
Pair = tuple[Identifier, Identifier]


def observation(
    batch: int, hour: int, record: int, source: str, *, is_current: bool = True, **identifiers: str | None
) -> Row:
    seen_at = START + timedelta(hours=hour)
    return {
        "source": source,
        "is_current": is_current,
        "first_batch_id": batch,
        "batch_first_seen_at": seen_at,
        "first_seen_at": seen_at,
        "last_seen_at": seen_at + timedelta(hours=record),
        **identifiers,
    }


def value(letters: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(letters)


rows = st.builds(
    observation,
    batch=st.integers(1, 3),
    hour=st.integers(0, 3),
    record=st.integers(1, 9),
    source=st.sampled_from(["north", "south"]),
    is_current=st.sampled_from([True, True, True, False]),
    customer_number=value("123"),
    contact_id=value("pq"),
    email=value("abcd"),
    phone=value("78"),
    anonymous_id=value("xyz"),
)
observations = st.lists(rows, max_size=14)
any_identifier = st.sampled_from(
    [
        *(("customer_number", source, value) for source in ("north", "south") for value in "12"),
        *(("email", "", value) for value in "abcd"),
        *(("device", "", value) for value in "xyz"),
    ]
)
pairs = st.lists(
    st.tuples(any_identifier, any_identifier).filter(lambda pair: pair[0] != pair[1]), max_size=3
)


def table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist([{**dict.fromkeys(OBSERVATIONS.names), **row} for row in rows], OBSERVATIONS)


def rules(
    unlinking: Iterable[Identifier] = (),
    cuts: Iterable[Pair] = (),
    joins: Iterable[Pair] = (),
    forms: Iterable[tuple[str, str]] = (),
) -> Rules:
    def pair_rows(pairs: Iterable[Pair]) -> pa.Table:
        return pa.Table.from_pylist([dict(zip(PAIR.names, (*a, *b), strict=True)) for a, b in pairs], PAIR)

    def named(schema: pa.Schema, found: Iterable[tuple[str, ...]]) -> pa.Table:
        return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in found], schema)

    return Rules(named(FORM, forms), named(IDENTIFIER, unlinking), pair_rows(cuts), pair_rows(joins))


def resolved(rows: Sequence[Row], decided: Rules | None = None) -> Resolution:
    return resolve(observe(table(rows)), decided or Rules())


def customer_of(resolution: Resolution) -> dict[Identifier, str]:
    return {
        (row["kind"], row["source"], row["value"]): row["customer_id"]
        for row in resolution.identifiers.to_pylist()
    }


def identifiers_of(row: Row) -> list[Identifier]:
    """A row's identifiers, the strongest first."""
    return [
        (kind, str(row["source"]) if is_scoped else "", str(row[column]))
        for kind, column, is_scoped in KINDS
        if row.get(column) is not None
    ]


def people(
    rows: Iterable[Row],
    unlinking: Iterable[Identifier] = (),
    cuts: Iterable[Pair] = (),
    joins: Iterable[Pair] = (),
) -> set[frozenset[Identifier]]:
    """The customers by union-find over every pair of every row that holds."""
    parent: dict[Identifier, Identifier] = {}
    alone, apart = set(unlinking), {frozenset(pair) for pair in cuts}

    def root(identifier: Identifier) -> Identifier:
        while parent[identifier] != identifier:
            identifier = parent[identifier]
        return identifier

    for found in (identifiers_of(row) for row in rows if row["is_current"]):
        parent.update({identifier: identifier for identifier in found if identifier not in parent})
        for one, other in product(found, found):
            if not {one, other} & alone and frozenset((one, other)) not in apart:
                parent[root(other)] = root(one)
    for one, other in joins:
        if one in parent and other in parent:
            parent[root(other)] = root(one)
    groups: dict[Identifier, set[Identifier]] = {}
    for identifier in list(parent):
        groups.setdefault(root(identifier), set()).add(identifier)
    return {frozenset(group) for group in groups.values() if any(kind != "device" for kind, _, _ in group)}


def first_identifier(rows: Sequence[Row], person: frozenset[Identifier]) -> Identifier:
    """The strong identifier that was there first: by load, time within that load, kind, text."""
    ranks = [kind for kind, _, _ in KINDS]

    def age(identifier: Identifier) -> tuple[object, ...]:
        sightings = [
            (row["first_batch_id"], row["first_seen_at"]) for row in rows if identifier in identifiers_of(row)
        ]
        return (*min(sightings), ranks.index(identifier[0]), *identifier[1:])

    return min((identifier for identifier in person if identifier[0] != "device"), key=age)


@given(observations, st.lists(any_identifier, max_size=2), pairs, pairs)
def test_customers_are_the_groups_of_a_union_find_named_after_who_was_first(
    rows: list[Row], unlinking: list[Identifier], cuts: list[Pair], joins: list[Pair]
) -> None:
    expected = {
        identifier: derive_id(*first_identifier(rows, person))
        for person in people(rows, unlinking, cuts, joins)
        for identifier in person
    }
    assert customer_of(resolved(rows, rules(unlinking, cuts, joins))) == expected


@given(observations.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_order_and_repetition_of_rows_change_nothing(both: tuple[list[Row], list[Row]]) -> None:
    rows, shuffled = both
    one, other = resolved(rows), resolved([*shuffled, *shuffled[:3]])
    assert one.identifiers.equals(other.identifiers)
    assert one.customers.equals(other.customers)


@given(observations, observations)
def test_when_later_loads_come_a_customer_keeps_the_id_or_goes_into_an_older_one(
    rows: list[Row], later: list[Row]
) -> None:
    later = [{**row, "first_batch_id": 4} for row in later]
    before, after = resolved(rows), resolved([*rows, *later])
    old, new = customer_of(before), customer_of(after)
    age = {
        row["customer_id"]: (row["first_batch_id"], row["first_seen_at"])
        for row in after.customers.to_pylist() + before.customers.to_pylist()
    }
    for identifier, customer_id in old.items():
        assert age[new[identifier]] <= age[customer_id]
        assert new[identifier] in old.values()


@given(observations)
def test_spellings_of_one_mailbox_are_one_person(rows: list[Row]) -> None:
    """As if every row with one spelling had another row with both."""
    forms = [("a", "A"), ("b", "A"), ("c", "C")]
    current = {row["email"] for row in rows if row["is_current"]}
    together = [(("email", "", "a"), ("email", "", "b"))] if {"a", "b"} <= current else []
    expected = {
        identifier: derive_id(*first_identifier(rows, person))
        for person in people(rows, joins=together)
        for identifier in person
    }
    assert customer_of(resolved(rows, rules(forms=forms))) == expected


def test_equal_numbers_of_two_sources_are_two_people() -> None:
    rows = [observation(1, 1, 1, source, customer_number="1") for source in ("north", "south")]
    assert len(set(customer_of(resolved(rows)).values())) == 2


def test_an_identifier_is_seen_from_its_earliest_to_its_latest_row() -> None:
    rows = [observation(1, 5, 1, "north", email="a"), observation(2, 2, 9, "north", email="a")]
    (identifier,) = resolved(rows).identifiers.to_pylist()
    assert identifier["first_batch_id"] == 1
    assert identifier["batch_first_seen_at"] == START + timedelta(hours=5)
    assert identifier["first_seen_at"] == START + timedelta(hours=2)
    assert identifier["last_seen_at"] == START + timedelta(hours=11)


def test_no_rows_make_no_customers() -> None:
    assert resolved([]).identifiers.num_rows == 0
