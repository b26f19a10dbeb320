-- Every order with a line of positive quantity that staging shows is in the mart, with its lines' amount.
with lines as (
    select * from {{ ref('stg_order_lines') }}
    where
        quantity > 0
        {% if var('since_run_id') is not none -%}
        and {{ among(['source', 'order_id'], ref('int_changed_orders')) }}
        {%- endif %}
),

deleted_orders as (
    select * from {{ ref('stg_deleted_orders') }}
    {% if var('since_run_id') is not none -%}
    where {{ among(['source', 'order_id'], ref('int_changed_orders')) }}
    {%- endif %}
),

orders as (
    select * from {{ ref('orders') }}
    {% if var('since_run_id') is not none -%}
    where {{ among(['source', 'order_id'], ref('int_changed_orders')) }}
    {%- endif %}
),

delivered as (
    select
        source,
        order_id,
        count(*) as line_count,
        sum(quantity * unit_price) as gross_amount
    from lines
    group by source, order_id
),

expected as (
    select delivered.*
    from delivered
    left join deleted_orders
        on delivered.source = deleted_orders.source and delivered.order_id = deleted_orders.order_id
    where deleted_orders.order_id is null
)

select
    coalesce(expected.source, orders.source) as source,
    coalesce(expected.order_id, orders.order_id) as order_id,
    expected.gross_amount as expected_amount,
    orders.gross_amount
from expected
full join orders
    on expected.source = orders.source and expected.order_id = orders.order_id
where
    expected.order_id is null
    or orders.order_id is null
    or expected.line_count <> orders.line_count
    or expected.gross_amount <> orders.gross_amount
