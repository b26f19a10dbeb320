with events as (
    select * from {{ ref('int_web_events_sessionized') }}
    where
        customer_id is not null
        and event_name in ('add_to_cart', 'purchase')
        and occurred_at >= {{ before_as_of(days=var('abandoned_cart_max_days')) }}
),

order_lines as (
    select * from {{ ref('int_order_lines_identified') }}
),

products_as_last_sold as (
    select distinct on (product_id)
        product_id,
        product_name,
        unit_price
    from order_lines
    where quantity > 0 and product_id in (select events.product_id from events)
    order by
        product_id, product_name is null, ordered_at desc, source, order_id, batch_id desc, line_number desc
)

select
    events.source,
    events.event_id,
    events.customer_id,
    events.event_name,
    events.product_id,
    coalesce(products.product_name, events.product_id) as product_name,
    coalesce(events.value, products.unit_price) as price,
    events.occurred_at
from events
left join products_as_last_sold as products
    on events.product_id = products.product_id
