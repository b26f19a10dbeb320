{{ config(tags=['as_of']) }}

with sessions as (
    select * from {{ ref('int_sessions_classified') }}
    where ended_at >= {{ before_as_of(days=var('abandoned_cart_max_days')) }} and (has_cart or has_purchase)
),

-- What a machine puts into a cart nobody has left behind; what it buys is bought.
events as (
    select events.*
    from {{ ref('int_web_events_sessionized') }} as events
    inner join sessions on events.session_id = sessions.session_id
    where
        events.customer_id is not null
        and (
            events.event_name = 'purchase'
            or (events.event_name = 'add_to_cart' and sessions.bot_reason is null)
        )
        and events.occurred_at >= {{ before_as_of(days=var('abandoned_cart_max_days')) }}
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
    where quantity > 0 and {{ among(['product_id'], 'events') }}
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
