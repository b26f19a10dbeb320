"""What is known of a customer's products, told on delivery by delivery, is what all lines at once say."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import built_in_steps
import parcels
import pytest
from built_in_steps import Delivery

from rapport.embedded_postgres import EmbeddedPostgres

Line = dict[str, Any]

TABLES = ("int_customer_products", "int_units_stacked", "int_return_lines_tied")

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DELIVERIES = 5
# What a delivery is mostly about. Lines are said at the beginning of a day, for many to meet in an instant.
PERIOD = timedelta(days=10)

ANN, ANN_AT_WORK, BOB, CYD, DOT, EVE, STRANGER = (
    f"{name}@home.example" for name in ("ann", "ann.at.work", "bob", "cyd", "dot", "eve", "stranger")
)
BUYERS = (ANN, ANN_AT_WORK, BOB, CYD, DOT, STRANGER)
AT_FIRST = {ANN: "ann", ANN_AT_WORK: "ann", BOB: "bob", CYD: "cyd", DOT: "dot", EVE: "eve"}
# By the number of the delivery with which they come.
MOVES = {1: {STRANGER: "cyd"}, 2: {ANN_AT_WORK: "bob"}}
# The delivery whose run ends before all is built: the next one tells of both.
BROKEN_OFF = 2

# What runs told of a stack that an earlier one had told the beginning of.
TOLD_ON = """
    select customer_id, product_id, currency, run_id
    from intermediate.int_units_stacked
    group by customer_id, product_id, currency, run_id
    having min(position) > 1
"""


def order(dealer: random.Random, period: int) -> list[Line]:
    """One to three lines, mostly of that period; a few long before and a few too early to be seen."""
    (period,) = dealer.choices([period, dealer.randint(0, period), period + 1], [14, 2, 1])
    common = {
        "order_id": f"{dealer.randrange(10**6):06}",
        "email": dealer.choice(BUYERS),
        "ordered_at": (BEGIN + period * PERIOD + timedelta(days=dealer.randrange(PERIOD.days))).isoformat(),
    }
    return [{**common, "line_id": str(place), **goods(dealer)} for place in range(dealer.randint(1, 3))]


def goods(dealer: random.Random) -> Line:
    """Bought or, where the quantity is negative, returned."""
    product = dealer.choices(["tea", "mug", "pot", None], [5, 3, 3, 1])[0]
    return {
        "product_id": product,
        "product_name": product and f"{product} {dealer.choice('AB')}",
        "category": dealer.choice(["kitchen", "table", None]),
        "line_kind": dealer.choices(["product", None, "service"], [6, 3, 1])[0],
        "currency": dealer.choices(["EUR", "USD", None], [8, 3, 1])[0],
        "quantity": dealer.choices([0, 1, 2, 3, 5, -1, -2, -4], [1, 4, 4, 3, 2, 4, 3, 2])[0],
        "unit_price": dealer.randint(5, 9),
    }


def corrections(dealer: random.Random, told: list[Line]) -> list[Line]:
    """Of lines told before one is changed, one moved to another day, one deleted, one joined by another."""
    changed, moved, deleted, joined = dealer.sample(told, 4)
    return [
        {**changed, **goods(dealer)},
        {**moved, "ordered_at": (BEGIN + timedelta(days=dealer.randrange(PERIOD.days))).isoformat()},
        {**deleted, "is_deleted": True},
        {**joined, **goods(dealer), "line_id": "another"},
    ]


def taken_back() -> dict[int, Line]:
    """Eve's only return, by the delivery: once it is deleted nothing ever came back, and she has no stack."""
    bought = {
        "order_id": "bought",
        "line_id": "1",
        "email": EVE,
        "ordered_at": BEGIN.isoformat(),
        "product_id": "tea",
        "currency": "EUR",
        "quantity": 2,
    }
    returned = {
        **bought,
        "order_id": "returned",
        "ordered_at": (BEGIN + PERIOD).isoformat(),
        "quantity": -1,
    }
    return {0: bought, 1: returned, 2: {**returned, "is_deleted": True}}


def deliveries() -> list[Delivery]:
    dealer = random.Random(11)
    told: list[Line] = []
    made = []
    for number in range(DELIVERIES):
        lines = [line for _ in range(40) for line in order(dealer, number)]
        if told:
            lines += corrections(dealer, told)
        # Without an id it is no version of a line: each one counts.
        anonymous: Line = {**lines[0], **goods(dealer), "line_id": None, "mode": "append"}
        hers = [taken_back()[number]] if number in taken_back() else []
        owners = AT_FIRST if number == 0 else MOVES.get(number, {})
        made.append(
            Delivery(
                BEGIN + (number + 1) * PERIOD,
                {"order_lines": [*lines, anonymous, *hers]},
                {("email", "", email): customer for email, customer in owners.items()},
                unfinished=["int_return_lines_tied"] if number == BROKEN_OFF else [],
            )
        )
        told += lines
    return made


@pytest.fixture(scope="module")
def built(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    home = tmp_path_factory.mktemp("lines")
    with built_in_steps.both_ways(
        postgres, template, home, [f"+{table}" for table in TABLES], deliveries()
    ) as urls:
        yield urls


@pytest.mark.parametrize("table", TABLES)
def test_a_table_built_in_steps_equals_the_table_built_at_once(built: tuple[str, str], table: str) -> None:
    in_steps, at_once = (parcels.tables(url, ["intermediate"])[f"intermediate.{table}"] for url in built)

    assert in_steps == at_once


def test_stacks_are_told_on_from_where_they_were(built: tuple[str, str]) -> None:
    in_steps, at_once = (built_in_steps.rows(url, TOLD_ON) for url in built)

    assert len(in_steps) >= 10
    assert at_once == []
