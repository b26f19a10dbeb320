"""Who belongs together and what they are called, against a union-find over the same rows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.identity.observations import KINDS, OBSERVATIONS, observe
from rapport.identity.resolution import REGISTERED, Resolution, derive_id, resolve

settings.register_profile("rapport", deadline=None, max_examples=150, derandomize=True, database=None)
settings.load_profile("rapport")

START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, object]
Identifier = tuple[str, str, str]


def observation(
    batch: int, hour: int, record: int, stream: str, source: str, **identifiers: str | None
) -> Row:
    seen_at = START + timedelta(hours=hour)
    return {
        "stream": stream,
        "source": source,
        "record_id": f"r{record}",
        "first_batch_id": batch,
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
    stream=st.sampled_from(["orders", "contacts"]),
    source=st.sampled_from(["north", "south"]),
    customer_number=value("123"),
    contact_id=value("pq"),
    email=value("abcd"),
    phone=value("78"),
    anonymous_id=value("xyz"),
)
observations = st.lists(rows, max_size=14)


def resolved(rows: Sequence[Row], customers: pa.Table | None = None) -> Resolution:
    table = pa.Table.from_pylist([{**dict.fromkeys(OBSERVATIONS.names), **row} for row in rows], OBSERVATIONS)
    return resolve(observe(table), REGISTERED.empty_table() if customers is None else customers)


def customer_of(resolution: Resolution) -> dict[Identifier, str]:
    return {
        (row["kind"], row["source"], row["value"]): row["customer_id"]
        for row in resolution.identifiers.to_pylist()
    }


def registered(resolution: Resolution, run_id: int, before: pa.Table | None = None) -> pa.Table:
    """The register after a run."""
    new = resolution.new_customers.append_column(
        "created_run_id", pa.array([run_id] * len(resolution.new_customers), pa.int64())
    ).select(REGISTERED.names)
    return new if before is None else pa.concat_tables([before, new])


def identifiers_of(row: Row) -> list[Identifier]:
    """A row's identifiers, the strongest first."""
    return [
        (kind, str(row["source"]) if is_scoped else "", str(row[column]))
        for kind, column, is_scoped in KINDS
        if row.get(column) is not None
    ]


def people(rows: Iterable[Row]) -> set[frozenset[Identifier]]:
    """The customers by union-find: everything that shares a row, directly or through others."""
    parent: dict[Identifier, Identifier] = {}

    def root(identifier: Identifier) -> Identifier:
        parent.setdefault(identifier, identifier)
        while parent[identifier] != identifier:
            identifier = parent[identifier]
        return identifier

    for row in rows:
        found = identifiers_of(row)
        for other in found:
            parent[root(other)] = root(found[0])
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


@given(observations)
def test_customers_are_the_groups_of_a_union_find_named_after_who_was_first(rows: list[Row]) -> None:
    expected = {
        identifier: derive_id(*first_identifier(rows, person))
        for person in people(rows)
        for identifier in person
    }
    assert customer_of(resolved(rows)) == expected


@given(observations.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_order_and_repetition_of_rows_change_nothing(both: tuple[list[Row], list[Row]]) -> None:
    rows, shuffled = both
    one, other = resolved(rows), resolved([*shuffled, *shuffled[:3]])
    assert one.identifiers.equals(other.identifiers)
    assert one.edges.equals(other.edges)
    assert one.new_customers.equals(other.new_customers)


@given(observations, observations)
def test_when_more_arrives_a_customer_keeps_the_id_or_goes_into_an_older_one(
    rows: list[Row], later: list[Row]
) -> None:
    before = resolved(rows)
    register = registered(before, run_id=1)
    after = resolved([*rows, *later], register)
    old, new = customer_of(before), customer_of(after)
    redirects = {row["old_customer_id"]: row["customer_id"] for row in after.merges.to_pylist()}
    age = {row["customer_id"]: (row["first_batch_id"], row["first_seen_at"]) for row in register.to_pylist()}
    for identifier, customer_id in old.items():
        assert new[identifier] == redirects.get(customer_id, customer_id)
    for gone, into in redirects.items():
        assert age[into] <= age[gone]
        assert into not in redirects
    assert set(redirects) == set(old.values()) - set(new.values())


@given(observations, observations)
def test_a_customer_of_an_earlier_run_outranks_any_later_one(rows: list[Row], later: list[Row]) -> None:
    """Even one whose identifiers come from an earlier load."""
    register = registered(resolved(rows), run_id=1)
    register = registered(resolved([*rows, *later], register), run_id=2, before=register)
    created_in = {row["customer_id"]: row["created_run_id"] for row in register.to_pylist()}
    bridge = [
        observation(9, 9, 1, "contacts", "north", email=email, phone="7", customer_number="1")
        for email in "abcd"
    ]
    last = resolved([*rows, *later, *bridge], register)
    for redirect in last.merges.to_pylist():
        assert created_in[redirect["customer_id"]] <= created_in[redirect["old_customer_id"]]


@given(observations, observations)
def test_repeating_an_earlier_view_gives_the_ids_it_had(rows: list[Row], later: list[Row]) -> None:
    first = resolved(rows)
    register = registered(first, run_id=1)
    register = registered(resolved([*rows, *later], register), run_id=2, before=register)
    again = resolved(rows, register)
    assert again.identifiers.equals(first.identifiers)
    assert len(again.new_customers) == 0


@given(observations)
def test_an_edge_keeps_its_first_record_and_its_span(rows: list[Row]) -> None:
    expected: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        hub, *others = identifiers_of(row) or [None]
        for other in others:
            assert hub is not None
            expected.setdefault((*hub, *other, row["stream"], row["source"]), []).append(row)
    edges = {tuple(edge.values())[:8]: tuple(edge.values())[8:] for edge in resolved(rows).edges.to_pylist()}
    assert set(edges) == set(expected)
    for key, seen in expected.items():
        first = min(seen, key=lambda row: (row["first_batch_id"], row["first_seen_at"], row["record_id"]))
        assert edges[key] == (
            first["record_id"],
            first["first_batch_id"],
            min(row["first_seen_at"] for row in seen),
            max(row["last_seen_at"] for row in seen),
        )


def test_equal_numbers_of_two_sources_are_two_people() -> None:
    rows = [observation(1, 1, 1, "orders", source, customer_number="1") for source in ("north", "south")]
    assert len(set(customer_of(resolved(rows)).values())) == 2


def test_an_identifier_is_seen_from_its_earliest_to_its_latest_row() -> None:
    rows = [
        observation(1, 5, 1, "orders", "north", email="a"),
        observation(2, 2, 9, "contacts", "north", email="a"),
    ]
    (identifier,) = resolved(rows).identifiers.to_pylist()
    assert identifier["first_batch_id"] == 1
    assert identifier["first_seen_at"] == START + timedelta(hours=2)
    assert identifier["last_seen_at"] == START + timedelta(hours=11)


def test_no_rows_make_no_customers() -> None:
    assert resolved([]).identifiers.num_rows == 0


def test_of_records_seen_at_the_same_moment_the_edge_names_the_first_by_id() -> None:
    rows = [
        observation(1, 1, record, "orders", "north", customer_number="1", email="a", anonymous_id=device)
        for record, device in ((3, "x"), (2, "y"), (4, "z"))
    ]
    edges = [edge for edge in resolved(rows).edges.to_pylist() if edge["kind_b"] == "email"]
    assert [edge["record_id"] for edge in edges] == ["r2"]
