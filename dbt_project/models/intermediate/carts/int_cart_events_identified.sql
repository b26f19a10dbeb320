with events as (
    select
        events.*,
        {{ customer_of() }} as customer_id
    from {{ ref('stg_web_events') }} as events
    {{ join_customers('events') }}
    where
        events.event_name in ('add_to_cart', 'purchase')
        and events.occurred_at >= {{ before_as_of(days=var('abandoned_cart_max_days')) }}
),

order_lines as (
    select * from {{ ref('int_order_lines_identified') }}
),

-- Events seldom name what they are about; the orders do.
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
    coalesce(events.properties ->> 'product_name', products.product_name, events.product_id) as product_name,
    coalesce(events.value, products.unit_price) as price,
    events.occurred_at
from events
left join products_as_last_sold as products
    on events.product_id = products.product_id
where events.customer_id is not null
