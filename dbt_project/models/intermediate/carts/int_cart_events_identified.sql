with events as (
    select * from {{ ref('stg_web_events') }}
    where
        event_name in ('add_to_cart', 'purchase')
        and occurred_at >= {{ before_as_of(days=var('abandoned_cart_max_days')) }}
),

products as (
    select * from {{ ref('int_products_last_sold') }}
),

identified as (
    select
        events.*,
        {{ customer_of() }} as customer_id
    from events
    {{ join_customers('events') }}
)

select
    identified.source,
    identified.event_id,
    identified.customer_id,
    identified.event_name,
    identified.product_id,
    coalesce(identified.properties ->> 'product_name', products.product_name) as product_name,
    coalesce(identified.value, products.unit_price) as price,
    identified.occurred_at
from identified
left join products on identified.product_id = products.product_id
where identified.customer_id is not null
