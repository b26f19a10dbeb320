"""Of each product one thing changes: the mart tells it again, as one built at once does, and no other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import built_in_steps
import parcels
import pytest
from built_in_steps import Delivery

from rapport.embedded_postgres import EmbeddedPostgres

# The stream, and a row of it.
Said = tuple[str, dict[str, Any]]
# What is said of a product at first, and what later.
Case = Callable[[str], tuple[list[Said], list[Said]]]

MART = "marts.products"

JANUARY, FEBRUARY, MARCH = (f"2026-{month:02}-10 12:00+00" for month in (1, 2, 3))
ANN, BOB = "ann@home.example", "bob@home.example"


def sale(product: str, **rest: Any) -> Said:
    return "order_lines", {
        "order_id": f"order of {product}",
        "line_id": "1",
        "email": ANN,
        "ordered_at": JANUARY,
        "product_id": product,
        "product_name": product,
        "currency": "EUR",
        "quantity": 2,
        "unit_price": 5,
        **rest,
    }


def refund(product: str, **rest: Any) -> Said:
    return "refunds", {
        "refund_id": product,
        "product_id": product,
        "kind": "return",
        "currency": "EUR",
        "quantity": 1,
        "amount": 3,
        "refunded_at": MARCH,
        **rest,
    }


def abroad(product: str, **rest: Any) -> Said:
    """Another product's order in dollars, which a refund of the product itself is put down to."""
    return sale(f"{product}, abroad", order_id=f"{product}, abroad", currency="USD", **rest)


def refund_abroad(product: str, **rest: Any) -> Said:
    return refund(product, order_id=f"{product}, abroad", currency="USD", **rest)


def deletion(order_id: str) -> Said:
    return "orders", {"order_id": order_id, "ordered_at": JANUARY, "is_deleted": True}


CASES: dict[str, Case] = {
    "sold again": lambda product: ([sale(product)], [sale(product, order_id=f"{product} again")]),
    "sold no more": lambda product: ([sale(product)], [sale(product, is_deleted=True)]),
    "renamed": lambda product: ([sale(product)], [sale(product, product_name="new")]),
    "bought by one of two": lambda product: (
        [sale(product), sale(product, order_id=f"{product} by Bob", email=BOB)],
        [sale(product, order_id=f"{product} by Bob")],
    ),
    "brought back": lambda product: (
        [sale(product)],
        [sale(product, order_id=f"{product} back", quantity=-1, ordered_at=MARCH)],
    ),
    "kept after all": lambda product: (
        [sale(product), sale(product, order_id=f"{product} back", quantity=-1, ordered_at=MARCH)],
        [sale(product, order_id=f"{product} back", quantity=-1, ordered_at=MARCH, is_deleted=True)],
    ),
    "refunded": lambda product: ([sale(product)], [refund(product)]),
    "refund of more": lambda product: ([sale(product), refund(product)], [refund(product, amount=4)]),
    "refund withdrawn": lambda product: (
        [sale(product), refund(product)],
        [refund(product, is_deleted=True)],
    ),
    "refund of something else": lambda product: (
        [sale(product), sale(f"{product}, else"), refund(product)],
        [refund(f"{product}, else", refund_id=product)],
    ),
    # Of the product itself no line is touched.
    "refund of a deleted order": lambda product: (
        [sale(product), abroad(product), refund_abroad(product)],
        [deletion(f"{product}, abroad")],
    ),
    "refund of an order of another day": lambda product: (
        [sale(product), abroad(product), refund_abroad(product)],
        [abroad(product, ordered_at=MARCH)],
    ),
}

# Rates of February's dollars come with the second delivery, of pounds with the third.
RATED: dict[str, Case] = {
    "sold in February's dollars": lambda product: (
        [sale(product, currency="USD", ordered_at=FEBRUARY)],
        [],
    ),
    "refund in February's dollars": lambda product: (
        [sale(product), refund(product, currency="USD", refunded_at=FEBRUARY)],
        [],
    ),
    "refund of an order in February's dollars": lambda product: (
        [sale(product), abroad(product, ordered_at=FEBRUARY), refund_abroad(product)],
        [],
    ),
}
RATED_AT_LAST: dict[str, Case] = {
    "refund in pounds": lambda product: ([sale(product), refund(product, currency="GBP")], []),
}
LEFT_ALONE: dict[str, Case] = {
    "sold": lambda product: ([sale(product)], []),
    "refund in March's dollars": lambda product: ([sale(product), refund(product, currency="USD")], []),
    "refund of an order in January's dollars": lambda product: (
        [sale(product), abroad(product), refund_abroad(product, refunded_at=FEBRUARY)],
        [],
    ),
}


def rates(february: str, pounds: str) -> list[tuple[str, str, str, str]]:
    dollars = {"2026-01-01": "0.5", "2026-02-01": february, "2026-03-01": "0.8"}
    return [
        *[(day, "USD", "EUR", rate) for day, rate in dollars.items()],
        ("2026-01-01", "GBP", "EUR", pounds),
    ]


def by_stream(said: list[Said]) -> dict[str, list[dict[str, Any]]]:
    return {
        stream: [row for of, row in said if of == stream] for stream in dict.fromkeys(of for of, _ in said)
    }


def deliveries() -> list[Delivery]:
    """Each case comes twice: with the second delivery, and with the third, whose run is broken off."""
    at_first = [
        row
        for cases in (RATED, RATED_AT_LAST, LEFT_ALONE)
        for name, case in cases.items()
        for row in case(name)[0]
    ]
    second, third = (
        {name: case(f"{name}, {number}") for name, case in CASES.items()} for number in ("second", "third")
    )
    at_first += [row for cases in (second, third) for first, _ in cases.values() for row in first]
    then, at_last = ([row for _, later in cases.values() for row in later] for cases in (second, third))
    owners = {("email", "", ANN): "ann", ("email", "", BOB): "bob"}
    days = [datetime(2026, 4, day, tzinfo=UTC) for day in range(1, 5)]
    return [
        Delivery(days[0], by_stream(at_first), owners, rates=rates("0.6", "2")),
        Delivery(days[1], by_stream(then), rates=rates("0.7", "2")),
        Delivery(days[2], by_stream(at_last), rates=rates("0.7", "3"), unfinished=["products"]),
        Delivery(days[3]),
    ]


@pytest.fixture(scope="module")
def built(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    home = tmp_path_factory.mktemp("products")
    with built_in_steps.both_ways(postgres, template, home, ["+products"], deliveries()) as urls:
        yield urls


def test_products_built_in_steps_equal_those_built_at_once(built: tuple[str, str]) -> None:
    in_steps, at_once = (parcels.tables(url, ["marts"])[MART] for url in built)

    assert in_steps == at_once


def test_those_that_changed_are_told_again_and_no_others(built: tuple[str, str]) -> None:
    in_steps, _ = built
    found = dict(built_in_steps.rows(in_steps, f"select product_id, run_id from {MART}"))

    expected = {
        **dict.fromkeys(LEFT_ALONE, 1),
        **dict.fromkeys(RATED, 2),
        **{f"{name}, second": 2 for name in CASES},
        **dict.fromkeys(RATED_AT_LAST, 4),
        **{f"{name}, third": 4 for name in CASES},
    }
    assert {expected.pop(f"sold no more, {number}") for number in ("second", "third")} == {2, 4}
    assert {product: run for product, run in found.items() if product in expected} == expected
    assert not any(product.startswith("sold no more") for product in found)
