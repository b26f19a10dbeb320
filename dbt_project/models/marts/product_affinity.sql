{{ config(tags=['as_of']) }}

with orders as (
    select * from {{ ref('int_orders_summed') }}
    where ordered_at >= {{ before_as_of(days=var('affinity_days')) }}
),

baskets_of_orders as (
    select baskets.*
    from orders
    inner join {{ ref('int_order_baskets') }} as baskets
        on orders.source = baskets.source and orders.order_id = baskets.order_id
),

-- The square of a wholesaler's order would cost more than all others and say less.
basket_items as (
    select
        basket.source,
        basket.order_id,
        item.product_id,
        count(*) over (partition by basket.source, item.product_id) as product_order_count
    from baskets_of_orders as basket
    cross join lateral unnest(basket.product_ids) as item (product_id)
    where cardinality(basket.product_ids) <= {{ var('affinity_max_products') }}
),

totals as (
    select
        source,
        count(distinct order_id) as basket_count,
        greatest(
            {{ var('affinity_min_orders') }}, {{ var('affinity_min_support') }} * count(distinct order_id)
        ) as min_orders
    from basket_items
    group by source
),

-- A pair cannot be more frequent than either of its products: the others need not be paired.
baskets as (
    select
        basket_items.source,
        array_agg(basket_items.product_id) as product_ids,
        array_agg(basket_items.product_order_count) as order_counts
    from basket_items
    inner join totals on basket_items.source = totals.source
    where basket_items.product_order_count >= totals.min_orders
    group by basket_items.source, basket_items.order_id
),

-- Paired out of arrays: for a join of the items with themselves no plan is always a good one.
pairs as (
    select
        baskets.source,
        item.product_id,
        other.product_id as other_product_id,
        min(item.order_count) as product_order_count,
        min(other.order_count) as other_order_count,
        count(*) as order_count
    from baskets
    cross join lateral unnest(baskets.product_ids, baskets.order_counts) as item (product_id, order_count)
    cross join lateral unnest(baskets.product_ids, baskets.order_counts) as other (product_id, order_count)
    where item.product_id <> other.product_id
    group by baskets.source, item.product_id, other.product_id
)

select
    pairs.source,
    pairs.product_id,
    pairs.other_product_id,
    pairs.order_count,
    pairs.product_order_count,
    pairs.other_order_count,
    totals.basket_count,
    pairs.order_count::numeric / totals.basket_count as support,
    pairs.order_count::numeric / pairs.product_order_count as confidence,
    pairs.order_count::numeric * totals.basket_count
    / (pairs.product_order_count * pairs.other_order_count) as lift
from pairs
inner join totals on pairs.source = totals.source
where pairs.order_count >= totals.min_orders
