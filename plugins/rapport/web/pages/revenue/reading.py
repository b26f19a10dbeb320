"""What the revenue pages read: revenue by period, cohorts, moves between RFM cells, products and pairs."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.web.periods import Unit


@dataclass(frozen=True)
class Takings:
    """Sums of a period. An amount is None where one of its parts is unknown: no sum leaves anything out."""

    start: date
    orders: int
    returned_orders: int
    gross: Decimal | None
    returned: Decimal | None
    net: Decimal | None

    @property
    def average_order(self) -> Decimal | None:
        return self.gross / self.orders if self.gross is not None and self.orders else None

    @property
    def returned_share(self) -> Decimal | None:
        """Of the gross, what was given back."""
        if self.gross is None or self.returned is None or not self.gross:
            return None
        return -self.returned / self.gross


@dataclass(frozen=True)
class Selling:
    """A shop and a currency it sold in; None is an unknown currency."""

    source: str
    currency: str | None
    orders: int
    net: Decimal | None
    net_revenue: Decimal | None


AMOUNTS: dict[bool, LiteralString] = {
    True: "gross_revenue, returned_revenue, net_revenue",
    False: "gross_amount, returned_amount, net_amount",
}


def reporting_currency(connection: psycopg.Connection) -> str | None:
    """The currency that revenue is reported in; None without any revenue."""
    row = connection.execute("select reporting_currency from marts.revenue_daily limit 1").fetchone()
    return row[0] if row is not None else None


def takings(
    connection: psycopg.Connection,
    unit: Unit,
    first: date,
    end: date,
    shop: str | None,
    currency: str | None,
) -> dict[date, Takings]:
    """By the first day of each period in [first, end) with revenue; in `currency`, else as reported."""
    amounts = AMOUNTS[currency is None]
    query: LiteralString = f"""
        with days (revenue_date, orders, returned_orders, gross, returned, net) as (
            select revenue_date, order_count, returned_order_count, {amounts}
            from marts.revenue_daily
            where
                revenue_date >= %(first)s and revenue_date < %(end)s
                and (%(shop)s::text is null or source = %(shop)s)
                and (%(currency)s::text is null or currency = %(currency)s)
        )

        select
            date_trunc(%(unit)s, revenue_date::timestamp)::date as start,
            sum(orders)::bigint as orders,
            sum(returned_orders)::bigint as returned_orders,
            case when bool_and(gross is not null) then sum(gross) end as gross,
            case when bool_and(returned is not null) then sum(returned) end as returned,
            case when bool_and(net is not null) then sum(net) end as net
        from days
        group by 1
    """
    values = {"unit": unit, "first": first, "end": end, "shop": shop, "currency": currency}
    with connection.cursor(row_factory=class_row(Takings)) as cursor:
        return {row.start: row for row in cursor.execute(query, values)}


def sellings(connection: psycopg.Connection, first: date, end: date) -> list[Selling]:
    """Every shop and currency with revenue in [first, end), the one with most orders first."""
    with connection.cursor(row_factory=class_row(Selling)) as cursor:
        return cursor.execute(
            """
            select
                source, currency,
                sum(order_count)::bigint as orders,
                case when bool_and(net_amount is not null) then sum(net_amount) end as net,
                case when bool_and(net_revenue is not null) then sum(net_revenue) end as net_revenue
            from marts.revenue_daily
            where revenue_date >= %s and revenue_date < %s
            group by source, currency
            order by orders desc, source, currency
            """,
            [first, end],
        ).fetchall()


@dataclass(frozen=True)
class CohortCell:
    """Of the customers who first bought in a month, those who bought so many months later."""

    cohort_month: date
    months_since: int
    customer_count: int
    active_customer_count: int
    net_revenue: Decimal | None
    retention: Decimal
    reporting_currency: str


def cohorts(connection: psycopg.Connection, months: int) -> list[CohortCell]:
    """The last `months` months' cohorts, cell by cell."""
    with connection.cursor(row_factory=class_row(CohortCell)) as cursor:
        return cursor.execute(
            """
            select
                cohort_month, months_since, customer_count, active_customer_count, net_revenue, retention,
                reporting_currency
            from marts.cohorts
            where
                cohort_month > (select max(cohort_month) from marts.cohorts) - make_interval(months => %s)
            order by cohort_month, months_since
            """,
            [months],
        ).fetchall()


@dataclass(frozen=True)
class Move:
    """Customers who went from one cell to another or stayed; None before = had not ordered by then."""

    recency: int
    frequency: int
    recency_before: int | None
    frequency_before: int | None
    customers: int
    net_revenue: Decimal | None
    reporting_currency: str
    compared_with: date


def moves(connection: psycopg.Connection) -> list[Move]:
    """All moves of the RFM grid."""
    with connection.cursor(row_factory=class_row(Move)) as cursor:
        return cursor.execute(
            """
            select
                recency_score as recency, frequency_score as frequency,
                recency_score_before as recency_before, frequency_score_before as frequency_before,
                customer_count as customers, net_revenue, reporting_currency,
                (compared_with at time zone 'UTC')::date as compared_with
            from marts.rfm_moves
            """
        ).fetchall()


@dataclass(frozen=True)
class Product:
    """A product's sales of all time."""

    source: str
    product_id: str
    name: str | None
    category: str | None
    quantity: Decimal
    customers: int
    gross: Decimal | None
    net: Decimal | None
    return_rate: Decimal
    reporting_currency: str


SORTS: dict[str, LiteralString] = {
    "revenue": "net_revenue",
    "units": "quantity",
    "customers": "customer_count",
    "returns": "return_rate",
}


def best_products(connection: psycopg.Connection, sort: str, few: int, limit: int) -> list[Product]:
    """The first products by one of SORTS; by returns, only those of which at least `few` units were sold."""
    query: LiteralString = f"""
        select
            source, product_id, product_name as name, category, quantity, customer_count as customers,
            gross_revenue as gross, net_revenue as net, return_rate, reporting_currency
        from marts.products
        where quantity >= %s
        order by {SORTS[sort]} desc nulls last, source, product_id
        limit %s
    """
    with connection.cursor(row_factory=class_row(Product)) as cursor:
        return cursor.execute(query, [few if sort == "returns" else 0, limit]).fetchall()


@dataclass(frozen=True)
class Pair:
    """Two products of one shop that are bought together; each pair once, the rarer product first."""

    source: str
    product: str
    other: str
    orders: int
    product_orders: int
    other_orders: int
    baskets: int
    support: Decimal
    confidence: Decimal
    lift: Decimal


def best_pairs(connection: psycopg.Connection, limit: int) -> list[Pair]:
    """The pairs that are bought together most above chance."""
    with connection.cursor(row_factory=class_row(Pair)) as cursor:
        return cursor.execute(
            """
            select
                pairs.source,
                coalesce(product.product_name, pairs.product_id) as product,
                coalesce(other.product_name, pairs.other_product_id) as other,
                pairs.order_count as orders,
                pairs.product_order_count as product_orders,
                pairs.other_order_count as other_orders,
                pairs.basket_count as baskets,
                pairs.support, pairs.confidence, pairs.lift
            from marts.product_affinity as pairs
            left join marts.products as product
                on product.product_key = pairs.source || ':' || pairs.product_id
            left join marts.products as other
                on other.product_key = pairs.source || ':' || pairs.other_product_id
            where
                (pairs.product_order_count, pairs.product_id)
                < (pairs.other_order_count, pairs.other_product_id)
            order by pairs.lift desc, pairs.order_count desc, pairs.product_id
            limit %s
            """,
            [limit],
        ).fetchall()
