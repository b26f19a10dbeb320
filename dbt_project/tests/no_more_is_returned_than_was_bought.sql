-- Of no product of an order do more units come back, as lines tied to it, than it holds.
with lines as (
    select lines.* from {{ ref('order_lines') }} as lines
    {% if var('since_run_id') is not none -%}
    inner join {{ ref('int_changed_order_nets') }} as changed
        on lines.source = changed.source and lines.order_id = changed.order_id
    {%- endif %}
    where not lines.is_return
),

returned as (
    select
        returns.source,
        returns.tied_order_id as order_id,
        returns.product_id,
        sum(returns.quantity) as quantity
    from {{ ref('int_returns_combined') }} as returns
    {% if var('since_run_id') is not none -%}
    inner join {{ ref('int_changed_order_nets') }} as changed
        on returns.source = changed.source and returns.tied_order_id = changed.order_id
    {%- endif %}
    where returns.origin = 'line' and returns.tied_order_id is not null
    group by returns.source, returns.tied_order_id, returns.product_id
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
