with cart_events as (
    select * from {{ ref('int_cart_events_priced') }}
),

orders as (
    select * from {{ ref('orders') }}
),

purchases as (
    select
        customer_id,
        occurred_at as bought_at
    from cart_events
    where event_name = 'purchase'
    union all
    select
        customer_id,
        ordered_at as bought_at
    from orders
),

last_purchases as (
    select
        customer_id,
        max(bought_at) as bought_at
    from purchases
    where customer_id is not null
    group by customer_id
),

left_behind as (
    select distinct on (cart_events.customer_id, cart_events.product_id) cart_events.*
    from cart_events
    left join last_purchases on cart_events.customer_id = last_purchases.customer_id
    where
        cart_events.event_name = 'add_to_cart'
        and (cart_events.occurred_at <= last_purchases.bought_at) is not true
    order by
        cart_events.customer_id, cart_events.product_id, cart_events.occurred_at desc, cart_events.event_id
),

carts as (
    select
        customer_id,
        max(occurred_at) as cart_at,
        count(*) as product_count,
        jsonb_agg(
            jsonb_build_object('product_id', product_id, 'name', product_name, 'price', price)
            order by occurred_at desc, product_id
        ) as cart_products
    from left_behind
    group by customer_id
)

select
    customer_id,
    'left a cart of ' || product_count || case when product_count = 1 then ' product' else ' products' end
    || ' on ' || {{ day_of('cart_at') }} || ', and bought nothing since' as reason,
    cart_at,
    product_count,
    cart_products
from carts
where cart_at <= {{ before_as_of(hours=var('abandoned_cart_min_hours')) }}
