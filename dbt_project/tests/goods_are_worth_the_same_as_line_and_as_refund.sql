-- Goods delivered both as a return line and as a refund count by the line; here is where the two disagree.
{{ config(severity='warn') }}

with refunds as (
    select * from {{ ref('returns') }}
    where
        not is_counted
        {% if var('since_run_id') is not none -%}
        and {{ written_since() }}
        {%- endif %}
),

return_lines as (
    select * from {{ ref('int_return_lines_tied') }}
),

stated as (
    select
        source,
        order_id,
        product_id,
        currency,
        sum(stated_amount) as refunded_amount
    from refunds
    group by source, order_id, product_id, currency
),

compared as (
    select
        stated.source,
        stated.order_id,
        stated.product_id,
        stated.currency,
        stated.refunded_amount,
        sum(return_lines.amount) as line_amount
    from stated
    inner join return_lines
        on
            stated.source = return_lines.source
            and stated.order_id in (return_lines.order_id, return_lines.tied_order_id)
            and stated.currency is not distinct from return_lines.currency
            and (stated.product_id = return_lines.product_id or stated.product_id is null)
    group by
        stated.source, stated.order_id, stated.product_id, stated.currency, stated.refunded_amount
)

select * from compared
where abs(refunded_amount - line_amount) > {{ var('header_tolerance') }}
