"""What a mail may show beside the customer: the last order, a ticket, products that go with it."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from rapport.delivery.blocks import BLOCKS, ITEMS, read_blocks

MARTS = """
create schema if not exists marts;
create table marts.orders (
    customer_id text, source text, order_id text, order_key text, ordered_at timestamptz, currency text,
    net_amount numeric
);
create table marts.order_lines (
    customer_id text, source text, order_id text, line_kind text, product_id text, product_name text,
    quantity numeric, unit_price numeric, amount numeric
);
create table marts.tickets (
    customer_id text, source text, ticket_id text, subject text, status text, opened_at timestamptz,
    solved_at timestamptz
);
create table marts.product_affinity (source text, product_id text, other_product_id text, lift numeric);
create table marts.products (
    source text, product_id text, product_key text, product_name text, category text
);
insert into marts.orders values
('anna', 'shop', '1', 'shop/1', '2026-06-01', 'EUR', 10),
('anna', 'shop', '2', 'shop/2', '2026-06-09', 'EUR', 35),
('bert', 'shop', '3', 'shop/3', '2026-06-02', 'GBP', 5);
insert into marts.order_lines values
('anna', 'shop', '1', 'product', 'pot', 'Pot', 1, 10, 10),
('anna', 'shop', '2', 'product', 'cup', 'Cup', 2, 5, 10),
('anna', 'shop', '2', 'product', 'jug', 'Jug', 1, 20, 20),
('anna', 'shop', '2', 'product', 'cup', 'Cup', -1, 5, -5),
('anna', 'shop', '2', 'shipping', null, 'Post', 1, 5, 5),
('anna', 'other', '2', 'product', 'hat', 'Hat', 1, 99, 99),
('bert', 'shop', '3', 'product', 'pot', 'Pot', 1, 5, 5);
insert into marts.tickets values
('anna', 'desk', '7', 'Lid', 'solved', '2026-05-01', '2026-05-02'),
('anna', 'desk', '8', 'Post', 'open', '2026-06-01', null);
insert into marts.products
select 'shop', id, 'shop/' || id, initcap(id), 'Kitchen'
from unnest(array['pot', 'cup', 'jug', 'tray', 'spoon']) as id
union all
select 'shop', 'more' || n, 'shop/more' || n, 'More ' || n, 'Kitchen' from generate_series(1, 9) as n
union all
select 'shop', 'nameless', 'shop/nameless', null, 'Kitchen';
insert into marts.product_affinity
values
('shop', 'pot', 'cup', 9), ('shop', 'pot', 'tray', 2), ('shop', 'cup', 'spoon', 3),
('shop', 'pot', 'nameless', 8)
union all
select 'shop', 'jug', 'more' || n, 1 from generate_series(1, 9) as n;
"""


@pytest.fixture
def marts(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(MARTS)
        yield connection


def test_the_blocks_of_two_customers(marts: psycopg.Connection) -> None:
    found: dict[str, dict[str, Any]] = read_blocks(marts, list(BLOCKS), ["anna", "bert", "nobody"])
    # The newest order, its products that were kept, the dearest first.
    order = found["order"]["anna"]
    assert (order["order_id"], order["currency"], order["net_amount"]) == ("2", "EUR", 35)
    assert [(line["name"], line["quantity"], line["amount"]) for line in order["lines"]] == [
        ("Jug", 1, 20),
        ("Cup", 2, 10),
    ]
    assert found["order"]["bert"]["order_id"] == "3"
    # The newest ticket.
    assert found["ticket"].keys() == {"anna"}
    assert (found["ticket"]["anna"]["subject"], found["ticket"]["anna"]["solved_at"]) == ("Post", None)
    # What goes with what they bought, which they have not, and has a name; the strongest first.
    assert [product["name"] for product in found["products"]["bert"]] == ["Cup", "Tray"]
    names = [product["name"] for product in found["products"]["anna"]]
    assert names[:2] == ["Spoon", "Tray"]
    assert len(names) == ITEMS
    assert not any("nobody" in records for records in found.values())


def test_each_record_has_the_fields_that_templates_are_checked_against(marts: psycopg.Connection) -> None:
    found = read_blocks(marts, list(BLOCKS), ["anna"])
    for name, block in BLOCKS.items():
        record = found[name]["anna"][0] if block.is_list else found[name]["anna"]
        assert set(record) == set(block.fields)
    assert read_blocks(marts, ["ticket"], ["anna"]).keys() == {"ticket"}
