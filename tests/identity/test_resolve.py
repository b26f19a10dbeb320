"""The identity tables after one run, several runs, a run again, and a run that was cut off."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from rapport import ledger
from rapport.identity import tables
from rapport.identity.resolution import derive_id
from rapport.identity.resolve import IdentityCounts, resolve_identity

Observe = Callable[..., None]
TABLES = ("customers", "identifiers", "edges", "merges", "changes", "watermark")
ANNA = derive_id("customer_number", "shop", "1")
BEN = derive_id("email", "", "ben@example.com")


def run(url: str, day: int, *, is_rebuild: bool = False) -> ledger.Run:
    as_of = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    opened = ledger.open_run(url, as_of=as_of, config="", is_rebuild=is_rebuild)
    with psycopg.connect(url) as connection:
        connection.execute("update ops.runs set max_batch_id = %s where run_id = %s", [day, opened.run_id])
    return ledger.fix_batches(url, opened.run_id, view="")


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def everything(url: str) -> dict[str, list[object]]:
    """All identity tables with the place of each row, which changes when a row is written again."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {
            table: sorted(
                connection.execute(f"select ctid::text, * from identity.{table}".encode()).fetchall(), key=str
            )
            for table in TABLES
        }


def customer(url: str, kind: str, value: str) -> object:
    found = rows(
        url, f"select customer_id from identity.identifiers where kind = '{kind}' and value = '{value}'"
    )
    return found[0][0] if found else None


def test_identifiers_seen_together_are_one_customer(warehouse_url: str, observe: Observe) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    observe(1, "web_events", "site", email="anna@example.com", anonymous_id="phone-of-anna")
    observe(1, "contacts", "crm", email="ben@example.com")
    observe(1, "web_events", "site", anonymous_id="visitor")
    counts = resolve_identity(warehouse_url, run(warehouse_url, 1))
    assert counts == IdentityCounts(customers=2, identifiers=4, edges=2, merged=0, moved=0)
    assert rows(
        warehouse_url, "select kind, source, value, customer_id from identity.identifiers order by 1, 3"
    ) == [
        ("customer_number", "shop", "1", ANNA),
        ("device", "", "phone-of-anna", ANNA),
        ("email", "", "anna@example.com", ANNA),
        ("email", "", "ben@example.com", BEN),
    ]
    assert rows(
        warehouse_url, "select old_customer_id, new_customer_id, identifiers from identity.changes order by 3"
    ) == [(None, BEN, 1), (None, ANNA, 3)]


def test_an_edge_says_where_it_was_seen(warehouse_url: str, observe: Observe) -> None:
    observe(2, "orders", "shop", "o2", customer_number="1", email="anna@example.com", anonymous_id="a")
    observe(1, "orders", "shop", "o1", customer_number="1", email="anna@example.com")
    observe(3, "contacts", "crm", "k", email="anna@example.com", phone="+49301")
    resolve_identity(warehouse_url, run(warehouse_url, 3))
    assert rows(
        warehouse_url,
        """
        select kind_a, source_a, value_a, kind_b, source_b, value_b, stream, source, record_id,
            first_batch_id, extract(day from first_seen_at)::int, extract(day from last_seen_at)::int
        from identity.edges order by kind_a, kind_b
        """,
    ) == [
        ("customer_number", "shop", "1", "device", "", "a", "orders", "shop", "o2", 2, 3, 3),
        ("customer_number", "shop", "1", "email", "", "anna@example.com", "orders", "shop", "o1", 1, 2, 3),
        ("email", "", "anna@example.com", "phone", "", "+49301", "contacts", "crm", "k", 3, 4, 4),
    ]


def test_a_merge_keeps_the_older_customer_and_leaves_a_redirect(warehouse_url: str, observe: Observe) -> None:
    observe(2, "orders", "shop", customer_number="1", email="anna@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 2))
    observe(1, "contacts", "crm", email="ben@example.com", phone="+49301")
    resolve_identity(warehouse_url, run(warehouse_url, 3))
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    observe(4, "contacts", "crm", email="anna@example.com", phone="+49301")
    merging = run(warehouse_url, 4)
    assert resolve_identity(warehouse_url, merging) == IdentityCounts(
        customers=1, identifiers=4, edges=3, merged=1, moved=2
    )
    assert customer(warehouse_url, "email", "ben@example.com") == ANNA
    assert rows(warehouse_url, "select * from identity.merges") == [(BEN, ANNA, merging.run_id)]
    assert rows(
        warehouse_url,
        f"select old_customer_id, new_customer_id, identifiers from identity.changes "
        f"where run_id = {merging.run_id}",
    ) == [(BEN, ANNA, 2)]
    assert len(rows(warehouse_url, "select from identity.customers")) == 2


def test_redirects_never_chain(warehouse_url: str, observe: Observe) -> None:
    for number in "123":
        observe(int(number), "orders", "shop", customer_number=number)
    resolve_identity(warehouse_url, run(warehouse_url, 3))
    observe(4, "contacts", "shop", customer_number="3", email="x@example.com")
    observe(4, "contacts", "shop", customer_number="2", email="x@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 4))
    observe(5, "contacts", "shop", customer_number="1", email="x@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 5))
    one, two, three = (derive_id("customer_number", "shop", number) for number in "123")
    assert dict(rows(warehouse_url, "select old_customer_id, customer_id from identity.merges")) == {
        two: one,
        three: one,
    }


def test_what_falls_apart_leaves_the_id_where_it_came_from(warehouse_url: str, observe: Observe) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 1))
    observe(1, "orders", "shop", email="ben@example.com")
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(
            "update intermediate.int_identity_observations set email = null where email ~ 'anna'"
        )
    correction = run(warehouse_url, 2)
    resolve_identity(warehouse_url, correction)
    assert customer(warehouse_url, "customer_number", "1") == ANNA
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    assert customer(warehouse_url, "email", "anna@example.com") is None
    assert set(
        rows(
            warehouse_url,
            "select old_customer_id, new_customer_id, identifiers from identity.changes "
            f"where run_id = {correction.run_id}",
        )
    ) == {(ANNA, None, 1), (None, BEN, 1)}
    assert rows(warehouse_url, "select from identity.edges") == []


def test_a_merge_that_is_undone_gives_both_their_ids_back(warehouse_url: str, observe: Observe) -> None:
    observe(1, "orders", "shop", customer_number="1")
    observe(1, "contacts", "crm", email="ben@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 1))
    observe(2, "orders", "shop", customer_number="1", email="ben@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 2))
    assert customer(warehouse_url, "email", "ben@example.com") == ANNA
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("delete from intermediate.int_identity_observations where first_batch_id = 2")
    assert resolve_identity(warehouse_url, run(warehouse_url, 1, is_rebuild=True)).merged == 0
    assert customer(warehouse_url, "customer_number", "1") == ANNA
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    assert rows(warehouse_url, "select * from identity.merges") == []


def test_the_same_run_again_writes_no_row_of_the_graph(warehouse_url: str, observe: Observe) -> None:
    observe(1, "orders", "shop", customer_number="1")
    observe(1, "contacts", "crm", email="ben@example.com", phone='a "quoted",\nphone')
    resolve_identity(warehouse_url, run(warehouse_url, 1))
    observe(2, "orders", "shop", customer_number="1", email="ben@example.com")
    second = run(warehouse_url, 2)
    counts = resolve_identity(warehouse_url, second)
    before = everything(warehouse_url)
    assert resolve_identity(warehouse_url, second) == counts
    after = everything(warehouse_url)
    assert before.pop("watermark")[0]["run_id"] == after.pop("watermark")[0]["run_id"] == second.run_id
    assert after == before


def test_a_later_sighting_touches_only_the_rows_it_changes(warehouse_url: str, observe: Observe) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    observe(1, "contacts", "crm", email="ben@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 1))
    before = everything(warehouse_url)
    observe(5, "web_events", "site", email="ben@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 5))
    after = everything(warehouse_url)
    assert after["edges"] == before["edges"]
    (changed,) = [row for row in after["identifiers"] if row not in before["identifiers"]]
    assert changed["value"] == "ben@example.com"
    assert changed["last_seen_at"] == datetime(2026, 1, 6, tzinfo=UTC)
    assert after["changes"] == before["changes"]


def test_killed_before_the_end_it_has_done_nothing(
    warehouse_url: str, observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    first = run(warehouse_url, 1)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "_replace_merges", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            resolve_identity(warehouse_url, first)
    assert everything(warehouse_url) == {table: [] for table in TABLES}
    assert resolve_identity(warehouse_url, first).customers == 1


def test_filling_empty_tables_leaves_their_keys_and_indexes_as_they_were(
    warehouse_url: str, observe: Observe
) -> None:
    definitions = """
        select indexdef from pg_indexes where schemaname = 'identity'
        union all
        select conrelid::regclass::text || conname || pg_get_constraintdef(oid) || convalidated::text
        from pg_constraint where connamespace = 'identity'::regnamespace
        order by 1
    """
    before = rows(warehouse_url, definitions)
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    resolve_identity(warehouse_url, run(warehouse_url, 1))
    assert rows(warehouse_url, definitions) == before


def test_the_watermark_names_the_run(warehouse_url: str, observe: Observe) -> None:
    for day in (1, 2):
        newest = run(warehouse_url, day)
        resolve_identity(warehouse_url, newest)
    assert rows(warehouse_url, "select run_id, as_of, max_batch_id from identity.watermark") == [
        (newest.run_id, newest.as_of, 2)
    ]


def test_a_run_without_fixed_batches_is_refused(warehouse_url: str) -> None:
    opened = ledger.open_run(warehouse_url, as_of=datetime(2026, 1, 1, tzinfo=UTC), config="")
    with pytest.raises(ValueError, match="fix its batches"):
        resolve_identity(warehouse_url, opened)
