"""The identity tables after one run, several runs, a run again, and a run that was cut off."""

from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from rapport import ledger
from rapport.identity import resolve, tables
from rapport.identity.resolution import derive_id
from rapport.identity.resolve import IdentityCounts, resolve_identity

Observe = Callable[..., None]
OpenRun = Callable[..., ledger.Run]
Supersede = Callable[[str], None]
TABLES = ("customers", "identifiers", "merges", "changes", "identifier_changes", "reviews", "watermark")
ANNA = derive_id("customer_number", "shop", "1")
BEN = derive_id("email", "", "ben@example.com")


@pytest.fixture(autouse=True, params=["what is reached", "everything"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test once with news looked up one by one, and once with all observations read."""
    monkeypatch.setattr(resolve, "MOST_NEWS", 1.0 if request.param == "what is reached" else -1.0)


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


def changes(url: str, run: ledger.Run) -> set[tuple[object, ...]]:
    query = "select old_customer_id, new_customer_id, identifiers from identity.changes where run_id = "
    return set(rows(url, f"{query}{run.run_id}"))


def test_identifiers_seen_together_are_one_customer(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    observe(1, "web_events", "site", email="anna@example.com", anonymous_id="phone-of-anna")
    observe(1, "contacts", "crm", email="ben@example.com")
    observe(1, "web_events", "site", anonymous_id="visitor")
    counts = resolve_identity(warehouse_url, open_run(1))
    assert counts == IdentityCounts(customers=2, identifiers=4, merged=0, moved=0, to_review=0)
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


def test_a_merge_keeps_the_older_customer_and_leaves_a_redirect(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    resolve_identity(warehouse_url, open_run(1))
    observe(2, "contacts", "crm", email="ben@example.com", phone="+49301")
    resolve_identity(warehouse_url, open_run(2))
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    observe(4, "contacts", "crm", email="anna@example.com", phone="+49301")
    merging = open_run(4)
    assert resolve_identity(warehouse_url, merging) == IdentityCounts(
        customers=1, identifiers=4, merged=1, moved=2, to_review=0
    )
    assert customer(warehouse_url, "email", "ben@example.com") == ANNA
    assert rows(
        warehouse_url, "select old_customer_id, customer_id, run_id, kind, value from identity.merges"
    ) == [(BEN, ANNA, merging.run_id, "email", "ben@example.com")]
    assert changes(warehouse_url, merging) == {(BEN, ANNA, 2)}
    assert set(
        rows(
            warehouse_url,
            "select kind, value, first_batch_id, old_customer_id, new_customer_id "
            f"from identity.identifier_changes where run_id = {merging.run_id}",
        )
    ) == {("email", "ben@example.com", 2, BEN, ANNA), ("phone", "+49301", 2, BEN, ANNA)}
    assert len(rows(warehouse_url, "select from identity.customers")) == 2


def test_redirects_never_chain(warehouse_url: str, observe: Observe, open_run: OpenRun) -> None:
    for number in "123":
        observe(int(number), "orders", "shop", customer_number=number)
    resolve_identity(warehouse_url, open_run(3))
    observe(4, "contacts", "shop", customer_number="3", email="x@example.com")
    observe(4, "contacts", "shop", customer_number="2", email="x@example.com")
    resolve_identity(warehouse_url, open_run(4))
    observe(5, "contacts", "shop", customer_number="1", email="x@example.com")
    resolve_identity(warehouse_url, open_run(5))
    second, third = (derive_id("customer_number", "shop", number) for number in "23")
    assert set(rows(warehouse_url, "select old_customer_id, customer_id from identity.merges")) == {
        (second, ANNA),
        (third, ANNA),
    }


def test_a_circle_of_redirects_is_mended_by_the_next_run(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    """Nothing writes one but a hand; each id then leads again to whoever has its identifier."""
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    observe(1, "contacts", "crm", email="ben@example.com")
    first = open_run(1)
    resolve_identity(warehouse_url, first)
    with psycopg.connect(warehouse_url) as connection:
        for old, new in ((ANNA, BEN), (BEN, ANNA)):
            connection.execute(
                "insert into identity.merges (old_customer_id, customer_id, run_id) values (%s, %s, %s)",
                [old, new, first.run_id],
            )
    resolve_identity(warehouse_url, open_run(2))
    assert rows(warehouse_url, "select * from identity.merges") == []
    observe(3, "contacts", "crm", email="ben@example.com", phone="+49301")
    observe(3, "contacts", "crm", email="anna@example.com", phone="+49301")
    resolve_identity(warehouse_url, open_run(3))
    assert rows(warehouse_url, "select old_customer_id, customer_id from identity.merges") == [(BEN, ANNA)]


def test_a_correction_moves_one_identifier_and_says_so(
    warehouse_url: str, observe: Observe, open_run: OpenRun, supersede: Supersede
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    resolve_identity(warehouse_url, open_run(1))
    supersede("email ~ 'anna'")
    observe(2, "orders", "shop", customer_number="1")
    observe(2, "orders", "shop", email="ben@example.com")
    correction = open_run(2)
    resolve_identity(warehouse_url, correction)
    assert customer(warehouse_url, "customer_number", "1") == ANNA
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    assert customer(warehouse_url, "email", "anna@example.com") is None
    assert changes(warehouse_url, correction) == {(ANNA, None, 1), (None, BEN, 1)}


def test_where_the_identifier_that_gave_the_id_is_gone_the_id_leads_to_the_rest(
    warehouse_url: str, observe: Observe, open_run: OpenRun, supersede: Supersede
) -> None:
    observe(1, "contacts", "crm", email="typo@example.com", phone="+49301", anonymous_id="d")
    resolve_identity(warehouse_url, open_run(1))
    typo, phone = derive_id("email", "", "typo@example.com"), derive_id("phone", "", "+49301")
    assert customer(warehouse_url, "phone", "+49301") == typo

    supersede("true")
    observe(2, "contacts", "crm", email="right@example.com", phone="+49301", anonymous_id="d")
    resolve_identity(warehouse_url, open_run(2))
    redirects = "select old_customer_id, customer_id, kind, value from identity.merges order by 1"
    assert customer(warehouse_url, "email", "right@example.com") == phone
    assert rows(warehouse_url, redirects) == [(typo, phone, "phone", "+49301")]

    supersede("is_current")
    observe(3, "contacts", "crm", email="right@example.com", anonymous_id="d")
    resolve_identity(warehouse_url, open_run(3))
    right = derive_id("email", "", "right@example.com")
    assert sorted(rows(warehouse_url, redirects)) == sorted(
        [(typo, right, "email", "right@example.com"), (phone, right, "email", "right@example.com")]
    )

    observe(4, "orders", "shop", customer_number="9", email="right@example.com")
    observe(4, "orders", "shop", customer_number="9", email="typo@example.com")
    resolve_identity(warehouse_url, open_run(4))
    assert customer(warehouse_url, "customer_number", "9") == typo
    assert sorted(rows(warehouse_url, redirects)) == sorted(
        [(right, typo, "email", "right@example.com"), (phone, typo, "email", "right@example.com")]
    )

    supersede("true")
    resolve_identity(warehouse_url, open_run(5))
    assert rows(warehouse_url, redirects) == []
    assert rows(warehouse_url, "select * from identity.identifiers") == []


def test_a_merge_that_is_undone_gives_both_their_ids_back(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1")
    observe(1, "contacts", "crm", email="ben@example.com")
    resolve_identity(warehouse_url, open_run(1))
    observe(2, "orders", "shop", customer_number="1", email="ben@example.com")
    resolve_identity(warehouse_url, open_run(2))
    assert customer(warehouse_url, "email", "ben@example.com") == ANNA
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("delete from intermediate.int_identity_observations where first_batch_id = 2")
    assert resolve_identity(warehouse_url, open_run(1, is_rebuild=True)).merged == 0
    assert customer(warehouse_url, "customer_number", "1") == ANNA
    assert customer(warehouse_url, "email", "ben@example.com") == BEN
    assert rows(warehouse_url, "select * from identity.merges") == []


def test_the_same_run_again_writes_no_row_of_the_graph(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1")
    observe(1, "contacts", "crm", email="ben@example.com", phone='a "quoted",\nphone')
    resolve_identity(warehouse_url, open_run(1))
    observe(2, "orders", "shop", customer_number="1", email="ben@example.com")
    second = open_run(2)
    counts = resolve_identity(warehouse_url, second)
    before = everything(warehouse_url)
    assert resolve_identity(warehouse_url, second) == counts
    after = everything(warehouse_url)
    assert before.pop("watermark")[0]["run_id"] == after.pop("watermark")[0]["run_id"] == second.run_id
    assert after == before


def test_a_later_sighting_touches_only_the_rows_it_changes(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    observe(1, "contacts", "crm", email="ben@example.com")
    resolve_identity(warehouse_url, open_run(1))
    before = everything(warehouse_url)
    observe(5, "web_events", "site", email="ben@example.com")
    resolve_identity(warehouse_url, open_run(5))
    after = everything(warehouse_url)
    (changed,) = [row for row in after["identifiers"] if row not in before["identifiers"]]
    assert changed["value"] == "ben@example.com"
    assert changed["last_seen_at"] == datetime(2026, 1, 6, tzinfo=UTC)
    for table in ("customers", "changes", "identifier_changes", "merges"):
        assert after[table] == before[table]


def test_what_was_seen_before_it_became_somebodys_counts_as_seen(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "web_events", "site", anonymous_id="d")
    observe(2, "orders", "shop", customer_number="1")
    resolve_identity(warehouse_url, open_run(2))
    observe(3, "web_events", "site", email="anna@example.com", anonymous_id="d")
    resolve_identity(warehouse_url, open_run(3))
    device = (
        "select first_batch_id, first_seen_at, last_seen_at from identity.identifiers where kind = 'device'"
    )
    assert rows(warehouse_url, device) == [
        (1, datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    ]


def test_killed_before_the_end_it_has_done_nothing(
    warehouse_url: str, observe: Observe, open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@example.com")
    first = open_run(1)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "write_reviews", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            resolve_identity(warehouse_url, first)
    assert everything(warehouse_url) == {table: [] for table in TABLES}
    assert resolve_identity(warehouse_url, first).customers == 1


def test_filling_empty_tables_leaves_their_keys_and_indexes_as_they_were(
    warehouse_url: str, observe: Observe, open_run: OpenRun
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
    resolve_identity(warehouse_url, open_run(1))
    assert rows(warehouse_url, definitions) == before


def test_the_watermark_names_the_run(warehouse_url: str, observe: Observe, open_run: OpenRun) -> None:
    for day in (1, 2):
        newest = open_run(day)
        resolve_identity(warehouse_url, newest)
    assert rows(warehouse_url, "select run_id, as_of, max_batch_id from identity.watermark") == [
        (newest.run_id, newest.as_of, 2)
    ]


def test_a_run_without_fixed_batches_is_refused(warehouse_url: str) -> None:
    opened = ledger.open_run(warehouse_url, as_of=datetime(2026, 1, 1, tzinfo=UTC), config="")
    with pytest.raises(ValueError, match="fix its batches"):
        resolve_identity(warehouse_url, opened)
