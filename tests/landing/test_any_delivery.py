"""Any order, any split into files, any repetition of a set of records gives the same table, in each mode."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.landing.load import load_feed
from rapport.sources.feed import Feed

Row = tuple[Any, ...]
IDS = st.integers(0, 5)
TIMES = st.integers(1, 9).map(lambda day: f"2026-01-0{day}")
NAMES = st.sampled_from(["Ann", "Bob", "Cid"])
number = count()
few = settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def deliver(
    make_feed: Callable[..., Feed],
    landing: Path,
    warehouse_url: str,
    query: Callable[[str], list[Row]],
) -> Callable[..., list[Row]]:
    """Load files of records as a source of their own; what the query then gives, with {} for that source."""

    def run(files: list[list[dict[str, Any]]], statement: str, **keys: Any) -> list[Row]:
        name = f"p{next(number)}x"
        for place, records in enumerate(file for file in files if file):
            # Blank lines are no rows, and make the content of equal files another.
            text = "".join(json.dumps(record) + "\n" for record in records) + "\n" * (1 + place)
            (landing / f"{name}{place:02}.jsonl").write_text(text)
        counts = load_feed(warehouse_url, make_feed(name=name, **keys))
        assert counts.rows_read == counts.rows_loaded + counts.rows_duplicate == sum(map(len, files))
        return query(statement.format(f"'{name}'"))

    return run


def dealt(chance: Random, records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The records in any order in up to three files, some of them more than once."""
    files: list[list[dict[str, Any]]] = [[] for _ in range(chance.randint(1, 3))]
    for record in [*records, *chance.choices(records, k=chance.randint(0, 3))]:
        chance.choice(files).append(record)
    for file in files:
        chance.shuffle(file)
    return files


@few
@given(ids=st.sets(IDS, min_size=1), chance=st.randoms(use_true_random=False))
def test_appended_records_with_an_id(
    ids: set[int], chance: Random, deliver: Callable[..., list[Row]]
) -> None:
    records = [{"id": key, "name": f"n{key}", "at": f"20{20 + key}-01-01"} for key in ids]
    columns = {"event_id": "id", "event_name": "name", "occurred_at": "at"}
    for _ in range(2):
        found = deliver(
            dealt(chance, records),
            "select event_id::int, event_name from raw.web_events where source = {} order by 1",
            stream="web_events",
            columns=columns,
        )
        assert found == [(key, f"n{key}") for key in sorted(ids)]


@few
@given(
    versions=st.dictionaries(st.tuples(IDS, TIMES), NAMES, min_size=1),
    chance=st.randoms(use_true_random=False),
)
def test_versions(
    versions: dict[tuple[int, str], str], chance: Random, deliver: Callable[..., list[Row]]
) -> None:
    records = [{"id": key, "at": at, "name": name} for (key, at), name in versions.items()]
    for _ in range(2):
        found = deliver(
            dealt(chance, records),
            "select contact_id::int, updated_at::date::text, first_name from raw.contacts"
            " where source = {} order by 1, 2",
            stream="contacts",
        )
        assert found == [(key, at, name) for (key, at), name in sorted(versions.items())]


NEWEST_LINES = """
    select order_id::int, product_id from raw.order_lines as lines
    where source = {0} and batch_id = (
        select max(batch_id) from raw.order_lines where source = {0} and order_id = lines.order_id
    )
    order by 1, 2
"""


@few
@given(
    deliveries=st.lists(
        st.dictionaries(IDS, st.lists(NAMES, min_size=1, max_size=3), min_size=1), min_size=1, max_size=3
    ),
    chance=st.randoms(use_true_random=False),
)
def test_orders_that_are_delivered_whole(
    deliveries: list[dict[int, list[str]]], chance: Random, deliver: Callable[..., list[Row]]
) -> None:
    """The newest delivery of each order counts, in whatever order its lines stand, however often it comes."""
    newest: dict[int, list[str]] = {}
    for delivery in deliveries:
        newest |= delivery
    expected = [(order, product) for order in sorted(newest) for product in sorted(newest[order])]
    for _ in range(2):
        files = []
        for delivery in deliveries:
            orders = list(delivery)
            chance.shuffle(orders)
            half = chance.randint(0, len(orders))  # one delivery in one file or in two
            for part in (orders[:half], orders[half:]):
                lines = [{"order": o, "product": p} for o in part for p in delivery[o]]
                chance.shuffle(lines)
                files += [lines] * chance.randint(1, 2)
        columns = {
            "order_id": "order",
            "product_id": "product",
            "ordered_at": {"value": "2026-01-01"},
            "quantity": {"value": "1"},
            "unit_price": {"value": "1"},
        }
        assert deliver(files, NEWEST_LINES, mode="replace_order", columns=columns) == expected


NEWEST_RECORDS = """
    select contact_id::int, first_name from (
        select distinct on (contact_id) * from raw.contacts
        where source = {} order by contact_id, batch_id desc
    ) as newest
    where not is_deleted order by 1
"""


@few
@given(
    snapshots=st.lists(st.dictionaries(IDS, NAMES), min_size=1, max_size=3),
    chance=st.randoms(use_true_random=False),
)
def test_snapshots(
    snapshots: list[dict[int, str]], chance: Random, deliver: Callable[..., list[Row]]
) -> None:
    """The last one is what there is, in whatever order its records stand, however often it comes."""
    for _ in range(2):
        files = []
        for snapshot in snapshots:
            records = [{"id": key, "name": name, "at": "2026-01-01"} for key, name in snapshot.items()]
            chance.shuffle(records)
            files += [records] * chance.randint(1, 2)
        found = deliver(
            [[*records, {"id": 99, "name": "Eve", "at": "2026-01-01"}] for records in files],
            NEWEST_RECORDS,
            stream="contacts",
            mode="snapshot",
        )
        assert found == [*sorted(snapshots[-1].items()), (99, "Eve")]
