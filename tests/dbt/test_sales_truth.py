"""Every measure of sales in the marts equals a second count of the same rows, to the cent."""

from decimal import Decimal

import parcels
import psycopg
import pytest
from sales_count import Sales

from rapport.demo.shop import END


@pytest.fixture(scope="module")
def sales(built_shop: parcels.BuiltShop) -> Sales:
    return Sales(built_shop.url, END)


@pytest.fixture(scope="module")
def marts(built_shop: parcels.BuiltShop):
    with psycopg.connect(built_shop.url, options="-c timezone=UTC") as connection:
        yield lambda query: connection.execute(query).fetchall()


def test_orders(sales: Sales, marts) -> None:
    found = {
        order_id: (customer, *rest)
        for order_id, customer, *rest in marts(
            """
            select order_id, customer_id, ordered_at, gross_amount, net_amount, discount_granted,
                header_difference, line_count
            from marts.orders
            """
        )
    }
    names = ("customer", "ordered_at", "gross", "net", "discount_granted", "header_difference", "line_count")
    assert found == {
        order_id: tuple(order[name] for name in names) for order_id, order in sales.orders.items()
    }
    assert sum(order["discount_granted"] for order in sales.orders.values()) > 0


def test_order_lines(sales: Sales, marts) -> None:
    found = marts(
        "select order_id, line_id, customer_id, line_kind, quantity, amount, is_return from marts.order_lines"
    )
    assert sorted(found, key=str) == sorted(sales.lines(), key=str)
    assert {row[3] for row in found} >= {"product", "shipping", "discount"}


def test_returns(sales: Sales, marts) -> None:
    columns = (
        "origin, order_id, tied_order_id, customer_id, product_id, quantity, has_goods, amount, returned_at"
    )
    names = (
        "origin",
        "order_id",
        "tied_order_id",
        "customer",
        "product_id",
        "quantity",
        "has_goods",
        "amount",
        "at",
    )
    found = marts(f"select {columns} from marts.returns")
    expected = [tuple(piece[name] for name in names) for piece in sales.returns]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {piece["origin"] for piece in sales.returns} == {"line", "refund"}


def test_customers(sales: Sales, marts) -> None:
    found = {
        customer: tuple(rest)
        for customer, *rest in marts(
            """
            select customer_id, order_count, gross_revenue, returned_amount, net_revenue, discount_amount,
                first_order_at, last_order_at, recency_score, frequency_score, monetary_score
            from marts.customers
            """
        )
    }
    prospect = (0, 0, 0, 0, 0, None, None, None, None, None)
    expected = {customer: prospect for customer in found} | {
        customer: (
            len(own["orders"]), own["gross"], own["returned"], own["net"], own["discount"],
            own["first"], own["last"], own.get("recency"), own.get("frequency"), own.get("monetary"),
        )
        for customer, own in sales.customers.items()
    }  # fmt: skip
    assert found == expected
    assert len(found) > len(sales.customers)
    means = marts("select customer_id, average_order_value, average_days_between_orders from marts.customers")
    for customer, value, days in means:
        own = sales.customers.get(customer, {"orders": [], "days_between": None})
        assert (value is None) == (not own["orders"])
        assert value is None or value == pytest.approx(own["gross"] / len(own["orders"]))
        assert (days is None) == (own["days_between"] is None)
        assert days is None or float(days) == pytest.approx(own["days_between"], rel=1e-9)


def test_customer_revenue(sales: Sales, marts) -> None:
    found = marts(
        """
        select customer_id, currency, order_count, gross_amount, returned_amount, discount_amount, net_amount
        from marts.customer_revenue
        """
    )
    assert {row[0]: row[1:] for row in found} == {
        customer: ("EUR", len(own["orders"]), own["gross"], own["returned"], own["discount"], own["net"])
        for customer, own in sales.customers.items()
    }


def test_favourites(sales: Sales, marts) -> None:
    found = marts("select customer_id, favourite_product, favourite_category from marts.customers")
    expected = sales.favourites()
    assert {customer: tuple(rest) for customer, *rest in found} == {
        customer: expected.get(customer, (None, None)) for customer, *_ in found
    }
    assert expected


def test_products(sales: Sales, marts) -> None:
    found = marts(
        """
        select product_id, line_count, quantity, gross_revenue, customer_count, returned_quantity,
            returned_amount, net_revenue, return_rate
        from marts.products
        """
    )
    expected = sales.products()
    assert {row[0]: tuple(row[1:7]) for row in found} == expected
    for product_id, _, quantity, gross, _, back, returned, net, rate in found:
        assert net == gross + returned
        assert rate == pytest.approx(back / quantity), product_id
    assert sum(product[4] for product in expected.values()) > 0


def test_cohorts(sales: Sales, marts) -> None:
    found = marts(
        """
        select to_char(cohort_month, 'YYYY-MM'), months_since, customer_count, active_customer_count,
            order_count, net_revenue, retention
        from marts.cohorts
        """
    )
    expected = sales.cohorts()
    assert {row[:2]: row[2:6] for row in found} == expected
    for month, since, size, active, *_, retention in found:
        assert retention == pytest.approx(Decimal(active) / size), (month, since)
    untied = sum((own["returned"] for own in sales.customers.values() if not own["orders"]), Decimal(0))
    assert sum(cell[3] for cell in expected.values()) + untied == sum(
        own["net"] for own in sales.customers.values()
    )


def test_revenue_by_day(sales: Sales, marts) -> None:
    found = marts(
        """
        select revenue_date, source, currency, order_count, returned_order_count, gross_amount,
            returned_amount, net_amount, gross_revenue, returned_revenue, net_revenue
        from marts.revenue_daily
        """
    )
    expected = sales.revenue_days()
    assert {row[0]: row[3:8] for row in found} == expected
    assert all(row[1:3] == ("online_shop", "EUR") and row[5:8] == row[8:11] for row in found)
    untied = sum((piece["amount"] for piece in sales.returns if not piece["tied_order_id"]), Decimal(0))
    assert untied < 0
    assert sum(row[7] for row in found) == untied + sum(order["net"] for order in sales.orders.values())


def test_moves_between_the_cells_of_recency_and_frequency(sales: Sales, marts) -> None:
    found = marts(
        """
        select recency_score_before, frequency_score_before, recency_score, frequency_score, customer_count,
            net_revenue
        from marts.rfm_moves
        """
    )
    assert {row[:4]: row[4:] for row in found} == sales.rfm_moves(days=30)
    assert {row[0] is None for row in found} == {True, False}
    assert any(row[:2] != row[2:4] for row in found if row[0])
