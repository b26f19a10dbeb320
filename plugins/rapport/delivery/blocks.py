"""What a template may show beside the customer and the segment: the last order, a ticket, products."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

ITEMS = 6  # lines of an order, and products, that a mail shows


@dataclass(frozen=True)
class Block:
    """`query` takes customer ids and gives (customer_id, record or list of records) with these `fields`."""

    fields: tuple[str, ...]
    query: str
    is_list: bool = False


ORDER = Block(
    fields=("order_id", "ordered_at", "currency", "net_amount", "lines"),
    query=f"""
        with latest as (
            select distinct on (customer_id)
                customer_id, source, order_id, order_key, ordered_at, currency, net_amount
            from marts.orders
            where customer_id = any(%(ids)s)
            order by customer_id, ordered_at desc, order_key
        )

        select
            customer_id,
            jsonb_build_object(
                'order_id', order_id,
                'ordered_at', ordered_at,
                'currency', currency,
                'net_amount', net_amount,
                'lines', coalesce((
                    select jsonb_agg(jsonb_build_object(
                        'name', product_name, 'quantity', quantity, 'price', unit_price, 'amount', amount
                    ))
                    from (
                        select product_name, quantity, unit_price, amount
                        from marts.order_lines
                        where
                            order_lines.source = latest.source
                            and order_lines.order_id = latest.order_id
                            and line_kind = 'product'
                            and quantity > 0
                        order by amount desc, product_name
                        limit {ITEMS}
                    ) as lines
                ), '[]'::jsonb)
            )
        from latest
    """,
)

TICKET = Block(
    fields=("ticket_id", "subject", "status", "opened_at", "solved_at"),
    query="""
        select distinct on (customer_id)
            customer_id,
            jsonb_build_object(
                'ticket_id', ticket_id,
                'subject', subject,
                'status', status,
                'opened_at', opened_at,
                'solved_at', solved_at
            )
        from marts.tickets
        where customer_id = any(%(ids)s)
        order by customer_id, opened_at desc, source, ticket_id
    """,
)

PRODUCTS = Block(
    fields=("product_id", "name", "category"),
    is_list=True,
    query=f"""
        with bought as (
            select distinct customer_id, source, product_id
            from marts.order_lines
            where customer_id = any(%(ids)s) and line_kind = 'product' and product_id is not null
        ),

        suggested as (
            select
                bought.customer_id,
                affinity.source,
                affinity.other_product_id as product_id,
                max(affinity.lift) as lift
            from bought
            inner join marts.product_affinity as affinity using (source, product_id)
            where not exists (
                select from bought as had
                where
                    had.customer_id = bought.customer_id
                    and had.source = affinity.source
                    and had.product_id = affinity.other_product_id
            )
            group by bought.customer_id, affinity.source, affinity.other_product_id
        ),

        ranked as (
            select
                suggested.customer_id,
                products.product_id,
                products.product_name,
                products.category,
                row_number() over (
                    partition by suggested.customer_id order by suggested.lift desc, products.product_key
                ) as place
            from suggested
            inner join marts.products using (source, product_id)
            where products.product_name is not null
        )

        select
            customer_id,
            jsonb_agg(
                jsonb_build_object('product_id', product_id, 'name', product_name, 'category', category)
                order by place
            )
        from ranked
        where place <= {ITEMS}
        group by customer_id
    """,
)

BLOCKS = {"order": ORDER, "ticket": TICKET, "products": PRODUCTS}


def read_blocks(
    connection: psycopg.Connection, names: Collection[str], customer_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By block name and customer id, the records that a template shows; who has none is not there."""
    return {
        name: dict(connection.execute(block.query, {"ids": list(customer_ids)}).fetchall())
        for name, block in BLOCKS.items()
        if name in names
    }
