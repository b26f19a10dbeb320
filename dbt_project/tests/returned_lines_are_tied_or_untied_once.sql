-- The pieces of a return line add up to the line, in units and in money.
with lines as (
    select * from {{ ref('order_lines') }}
    where
        is_return
        {% if var('since_run_id') is not none -%}
        and {{ among(['source', 'order_id'], ref('int_changed_returned_orders')) }}
        {%- endif %}
),

pieces as (
    select * from {{ ref('int_return_lines_tied') }}
    {% if var('since_run_id') is not none -%}
    where {{ among(['source', 'order_id'], ref('int_changed_returned_orders')) }}
    {%- endif %}
),

sums as (
    select
        source,
        line_key,
        sum(quantity) as quantity,
        sum(amount) as amount
    from pieces
    group by source, line_key
)

select
    coalesce(lines.source, sums.source) as source,
    coalesce(lines.line_key, sums.line_key) as line_key,
    lines.quantity,
    sums.quantity as quantity_of_pieces
from lines
full join sums
    on lines.source = sums.source and lines.line_key = sums.line_key
where
    lines.quantity is distinct from -sums.quantity
    or lines.amount is distinct from sums.amount
