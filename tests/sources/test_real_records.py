"""Records that vendors' own libraries ship, through the systems' files. `../shared/data` has them."""

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fake_api import FakeApi, Record, serving
from fake_desks import Zendesk
from fake_shops import Shopify

from rapport.landing.load import LoadCounts, load_feed
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds

DATA = PROJECT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="there is no ../shared/data")

Load = Callable[[FakeApi, str], LoadCounts]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def load(settings: Settings, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a feed of a system's file from the server that is given."""
    shutil.copytree(PROJECT / "config" / "systems", settings.config / "sources")
    feeds = {feed.name: feed for feed in read_feeds(settings)}

    def run(api: FakeApi, name: str) -> LoadCounts:
        with serving(api):
            variable = f"AIRFLOW_CONN_{name.partition('_')[0].upper()}"
            monkeypatch.setenv(variable, json.dumps(api.connection()))
            counts = load_feed(warehouse_url, feeds[name])
        assert api.complaints == []
        return counts

    return run


@pytest.fixture
def query(warehouse_url: str) -> Query:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]

    return run


def shopify(name: str) -> Any:
    return json.loads((DATA / "shopify" / f"{name}.json").read_text())


def zendesk(name: str) -> list[dict[str, Any]]:
    with (DATA / "zendesk" / f"{name}_data.csv").open(newline="") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


def utc(written: str) -> str:
    return datetime.fromisoformat(written).replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_order_with_its_lines_refunds_and_customer(load: Load, query: Query) -> None:
    order: Record = shopify("order")["order"]
    refund: Record = shopify("refund")["refund"]
    for line in refund["refund_line_items"]:
        line["subtotal"] = line["line_item"]["price"]  # newer versions of the API say it
    refund["refund_shipping_lines"] = []
    order["refunds"] = [refund]
    for number, line in enumerate(order["shipping_lines"]):
        line |= {"id": number, "is_removed": False}  # likewise
    api = Shopify()
    api.records = {"orders": [order], "customers": [shopify("customer")["customer"]]}
    counted = {"orders": 1, "order_lines": 3, "shipping_lines": 1, "refunds": 2, "customers": 1}
    for name, rows in {**counted, "shipping_refunds": 0, "refund_differences": 0}.items():
        assert load(api, f"shopify_{name}") == LoadCounts(rows, rows, 0, 0)
    at = datetime(2008, 1, 10, 16, tzinfo=UTC)
    assert query("select order_id, ordered_at, total_amount::text, customer_number from raw.orders") == [
        ("450789469", at, "409.94", "207119551")
    ]
    assert query("select sum(quantity * unit_price)::text, min(email) from raw.order_lines") == [
        ("597.00", "bob.norman@hostmail.com")
    ]
    assert query("select sum(amount)::text, min(order_id), count(distinct line_id) from raw.refunds") == [
        ("398.00", "450789469", 2)
    ]
    assert query("select first_name, city, country, postal_code from raw.contacts") == [
        ("Bob", "Louisville", "US", "40202")
    ]


def test_the_list_of_orders_is_the_same_order_again(load: Load, query: Query) -> None:
    api = Shopify()
    api.records = {"orders": shopify("orders")["orders"]}
    assert load(api, "shopify_orders") == LoadCounts(1, 1, 0, 0)
    assert query("select total_amount::text, shipping_amount::text, phone from raw.orders") == [
        ("598.94", "0.00", "+557734881234")
    ]


def test_tickets_comments_and_users_of_a_desk(load: Load, query: Query) -> None:
    tickets = zendesk("ticket")
    for ticket in tickets:
        ticket |= {"id": int(ticket["id"]), "via": {"channel": ticket["via_channel"]}}
        ticket |= {"created_at": utc(ticket["created_at"]), "updated_at": utc(ticket["updated_at"])}
        ticket["generated_timestamp"] = int(datetime.fromisoformat(ticket["updated_at"]).timestamp())
    comments = [
        {
            "id": number,
            "ticket_id": int(row["ticket_id"]),
            "created_at": utc(row["created"]),
            "timestamp": int(datetime.fromisoformat(utc(row["created"])).timestamp()),
            "child_events": [{**row, "event_type": "Comment", "public": row["public"] == "TRUE"}],
        }
        for number, row in enumerate(zendesk("ticket_comment"))
    ]
    users = [{**row, "id": int(row["id"]), "updated_at": utc(row["updated_at"])} for row in zendesk("user")]
    api = Zendesk()
    api.records = {"tickets": tickets, "ticket_events": comments, "users": users}
    assert load(api, "zendesk_tickets") == LoadCounts(len(tickets), len(tickets), 0, 0)
    assert load(api, "zendesk_comments").rows_loaded == len({row["id"] for row in zendesk("ticket_comment")})
    customers = [row for row in users if row["role"] == "end-user"]
    assert load(api, "zendesk_users").rows_loaded == len({row["id"] for row in customers}) > 0
    deleted = sorted(str(ticket["id"]) for ticket in tickets if ticket["status"] == "deleted")
    found = query("select ticket_id from raw.ticket_versions where is_deleted")
    assert sorted(ticket for (ticket,) in found) == deleted
