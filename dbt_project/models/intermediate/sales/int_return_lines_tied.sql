{{ config(
    materialized='incremental',
    pre_hook=[
        "{{ forget(ref('int_changed_customer_products'), ['customer_id', 'source', 'product_id'], remember={
            'return': ['source', 'return_key', 'order_id', 'tied_order_id', 'product_id'],
        }, from_time={'returned_at': 'changed_from'}, is_probed=true) }}",
        "{{ forget(ref('int_changed_orders'), ['source', 'order_id'], remember={
            'return': ['source', 'return_key', 'order_id', 'tied_order_id', 'product_id'],
        }, is_probed=true) }}",
    ],
    indexes=[
        {'columns': ['return_key', 'source'], 'unique': true},
        {'columns': ['customer_id', 'product_id']},
        {'columns': ['order_id', 'source']},
        {'columns': ['tied_order_id', 'source']},
        {'columns': ['run_id']},
    ],
) }}

-- A purchase still holds those of its levels that lie below the lowest level reached since. What a return
-- takes from it is therefore the drop of that floor, and no row has to wait for the one before it.
with stacked as (
    select
        stacked.*{{ ', changed.changed_from' if is_incremental() }}
    from {{ ref('int_units_stacked') }} as stacked
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_customer_products') }} as changed
        on
            stacked.customer_id = changed.customer_id
            and stacked.source = changed.source
            and stacked.product_id = changed.product_id
    {%- endif %}
),

{% if is_incremental() -%}
-- Of a customer's product the returns from the change on are tied anew; those without customer or product
-- only with their order.
return_lines as (
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join stacked
        on
            lines.source = stacked.source
            and lines.order_id = stacked.order_id
            and lines.line_key = stacked.line_key
    where stacked.quantity < 0 and lines.ordered_at >= stacked.changed_from
    union all
    select lines.* from {{ ref('int_order_lines_identified') }} as lines
    inner join {{ ref('int_changed_orders') }} as changed
        on lines.source = changed.source and lines.order_id = changed.order_id
    where lines.quantity < 0 and (lines.customer_id is null or lines.product_id is null)
),
{%- else -%}
return_lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where quantity < 0
),
{%- endif %}

floors as (
    select
        returned.source,
        returned.line_key,
        purchased.order_id as tied_order_id,
        purchased.level_before as purchase_bottom,
        purchased.level_after as purchase_top,
        min(returned.level_after) over since_purchase as lowest_level,
        min(returned.level_after) over (since_purchase rows between unbounded preceding and 1 preceding)
            as lowest_level_before
    from stacked as returned
    inner join stacked as purchased
        on
            returned.customer_id = purchased.customer_id
            and returned.source = purchased.source
            and returned.product_id = purchased.product_id
            and returned.currency is not distinct from purchased.currency
            and returned.position > purchased.position
            and returned.level_after < purchased.level_after
            and returned.level_before > purchased.level_before
    where returned.quantity < 0 and purchased.quantity > 0
    window since_purchase as (
        partition by
            purchased.customer_id,
            purchased.source,
            purchased.product_id,
            purchased.currency,
            purchased.position
        order by returned.position
    )
),

-- least() passes over the null of a purchase that nothing was taken from yet.
taken as (
    select
        source,
        line_key,
        tied_order_id,
        greatest(purchase_bottom, least(purchase_top, lowest_level_before))
        - greatest(purchase_bottom, lowest_level) as quantity
    from floors
),

tied as (
    select
        source,
        line_key,
        tied_order_id,
        sum(quantity) as quantity
    from taken
    where quantity > 0
    group by source, line_key, tied_order_id
),

untied as (
    select
        return_lines.source,
        return_lines.line_key,
        cast(null as text) as tied_order_id,
        -return_lines.quantity - coalesce(sum(tied.quantity), 0) as quantity
    from return_lines
    left join tied
        on return_lines.source = tied.source and return_lines.line_key = tied.line_key
    group by return_lines.source, return_lines.line_key, return_lines.quantity
),

pieces as (
    select * from tied
    union all
    select * from untied
    where quantity > 0
)

select
    return_lines.source,
    'line:' || return_lines.line_key || coalesce(':' || pieces.tied_order_id, '') as return_key,
    return_lines.line_key,
    return_lines.order_id,
    pieces.tied_order_id,
    return_lines.customer_id,
    return_lines.product_id,
    return_lines.currency,
    pieces.quantity,
    -pieces.quantity * return_lines.unit_price as amount,
    return_lines.ordered_at as returned_at,
    {{ run_id() }} as run_id
from pieces
inner join return_lines
    on pieces.source = return_lines.source and pieces.line_key = return_lines.line_key
