-- Of no product of an order do more units come back, as lines tied to it, than it holds.
with lines as (
    select * from {{ ref('order_lines') }}
    where not is_return
),

returned as (
    select
        source,
        tied_order_id as order_id,
        product_id,
        sum(quantity) as quantity
    from {{ ref('returns') }}
    where origin = 'line' and tied_order_id is not null
    group by source, tied_order_id, product_id
),

returned_orders as (
    select distinct
        source,
        order_id
    from returned
),

bought as (
    select
        lines.source,
        lines.order_id,
        lines.product_id,
        sum(lines.quantity) as quantity
    from lines
    inner join returned_orders
        on lines.source = returned_orders.source and lines.order_id = returned_orders.order_id
    group by lines.source, lines.order_id, lines.product_id
)

select
    returned.*,
    bought.quantity as bought_quantity
from returned
left join bought
    on
        returned.source = bought.source
        and returned.order_id = bought.order_id
        and returned.product_id = bought.product_id
where returned.quantity > coalesce(bought.quantity, 0)
