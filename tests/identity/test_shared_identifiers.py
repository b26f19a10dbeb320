"""Identifiers that many people share, placeholders, and spellings of one mailbox, in a warehouse."""

from collections.abc import Callable

import psycopg
import pytest

from rapport import ledger
from rapport.identity import decisions, resolve, review
from rapport.identity.configuration import Guard, Identity
from rapport.identity.decisions import Identifier
from rapport.identity.resolve import resolve_identity

Observe = Callable[..., None]
OpenRun = Callable[..., ledger.Run]
TABLET = Identifier("device", "", "tablet")


@pytest.fixture(autouse=True, params=["what is reached", "everything"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test once with news looked up one by one, and once with all observations read."""
    monkeypatch.setattr(resolve, "MOST_NEWS", 1.0 if request.param == "what is reached" else -1.0)


def customers(url: str, kind: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select value, customer_id from identity.identifiers where kind = %s", [kind]
        ).fetchall()
    return dict(rows)


def reviews(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("select kind, value, linked_kind, links from identity.reviews").fetchall()


def test_an_identifier_of_more_than_five_stops_linking_and_says_whom_it_would_join(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    for number in range(5):
        observe(1, "web_events", "site", email=f"p{number}@x.example", anonymous_id="tablet")
    observe(1, "orders", "shop", customer_number="6")
    counts = resolve_identity(warehouse_url, open_run(1))
    assert counts.to_review == 0
    assert len(set(customers(warehouse_url, "email").values())) == 1

    observe(2, "web_events", "site", email="p5@x.example", anonymous_id="tablet")
    counts = resolve_identity(warehouse_url, open_run(2))
    assert counts.to_review == 1
    assert reviews(warehouse_url) == [("device", "tablet", "email", 6)]
    assert len(set(customers(warehouse_url, "email").values())) == 6
    assert customers(warehouse_url, "device") == {}
    with psycopg.connect(warehouse_url) as connection:
        (shared,) = review.shared_identifiers(connection)
    assert (shared.identifier, shared.links, shared.linked) == (TABLET, 6, "email")
    assert {text.partition(": ")[2] for text in shared.customers} == {
        f"email p{number}@x.example" for number in range(6)
    }


def test_the_guard_lets_go_when_rows_are_corrected_or_a_person_says_so(
    warehouse_url: str, observe: Observe, open_run: OpenRun, supersede: Callable[[str], None]
) -> None:
    for number in range(6):
        observe(1, "contacts", "crm", f"r{number}", email=f"p{number}@x.example", phone="+4930")
    resolve_identity(warehouse_url, open_run(1))
    assert len(set(customers(warehouse_url, "email").values())) == 6
    with psycopg.connect(warehouse_url) as connection:
        number = decisions.decide(connection, "trusted", Identifier("phone", "", "+4930"), by="Ann")
    resolve_identity(warehouse_url, open_run(2))
    assert len(set(customers(warehouse_url, "email").values())) == 1
    assert reviews(warehouse_url) == []
    with psycopg.connect(warehouse_url) as connection:
        assert decisions.undo(connection, number, by="Ann")
    resolve_identity(warehouse_url, open_run(3))
    assert len(set(customers(warehouse_url, "email").values())) == 6
    supersede("record_id = 'r5'")
    resolve_identity(warehouse_url, open_run(4))
    assert len(set(customers(warehouse_url, "email").values())) == 1
    assert reviews(warehouse_url) == []


def test_neither_devices_nor_other_shops_numbers_count(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    """One person with many devices, and the same person in seven shops."""
    for number in range(7):
        observe(1, "web_events", "site", email="anna@x.example", anonymous_id=f"d{number}")
        observe(1, "orders", f"shop{number}", customer_number="1", email="anna@x.example")
    assert resolve_identity(warehouse_url, open_run(1)).to_review == 0
    assert len(set(customers(warehouse_url, "device").values())) == 1


def test_a_customer_may_have_ten_thousand_devices(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "web_events", "site", email="anna@x.example", anonymous_id="d0")
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(
            """
            insert into intermediate.int_identity_observations (
                stream, source, email, anonymous_id, record_id, first_batch_id, batch_first_seen_at,
                first_seen_at, last_seen_at, run_id
            )
            select
                stream, source, email, 'd' || number, 'r' || number, first_batch_id, batch_first_seen_at,
                first_seen_at, last_seen_at, run_id
            from intermediate.int_identity_observations, generate_series(1, 9998) as number
            """
        )
    assert resolve_identity(warehouse_url, open_run(1)).to_review == 0
    observe(2, "web_events", "site", email="anna@x.example", anonymous_id="d9999")
    assert resolve_identity(warehouse_url, open_run(2)).to_review == 0
    found = customers(warehouse_url, "device")
    assert len(found) == 10_000
    assert set(found.values()) == set(customers(warehouse_url, "email").values())
    assert len(set(found.values())) == 1


def test_a_kind_may_have_a_limit_of_its_own(warehouse_url: str, observe: Observe, open_run: OpenRun) -> None:
    for number in range(7):
        observe(1, "orders", "shop", customer_number="1", email=f"p{number}@x.example")
    identity = Identity(guard=Guard(customer_number=7))
    assert resolve_identity(warehouse_url, open_run(1), identity).to_review == 0
    assert resolve_identity(warehouse_url, open_run(2), Identity()).to_review == 1


def test_a_placeholder_links_nobody_and_is_nobody(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    for number, email in (("1", "test@x.example"), ("2", "test@x.example"), ("000", "anna@x.example")):
        observe(1, "orders", "shop", customer_number=number, email=email)
    observe(1, "orders", "shop", customer_number="000", email="ben@x.example", phone="+49000000")
    resolve_identity(warehouse_url, open_run(1))
    assert set(customers(warehouse_url, "customer_number")) == {"1", "2"}
    assert set(customers(warehouse_url, "email")) == {"anna@x.example", "ben@x.example"}
    assert customers(warehouse_url, "phone") == {}
    found = {**customers(warehouse_url, "customer_number"), **customers(warehouse_url, "email")}
    assert len(set(found.values())) == 4


def test_an_international_domain_is_one_however_it_is_written(
    warehouse_url: str, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1", email="anna@bücher.example")
    resolve_identity(warehouse_url, open_run(1))
    observe(2, "web_events", "site", email="anna@xn--bcher-kva.example", anonymous_id="d")
    resolve_identity(warehouse_url, open_run(2))
    assert len(set(customers(warehouse_url, "email").values())) == 1
    assert len(customers(warehouse_url, "email")) == 2
