{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customer_products'), ['customer_id', 'source', 'product_id'], is_probed=true) }}",
    indexes=[{'columns': ['customer_id', 'product_id']}],
) }}

-- The units that a customer has of a product, as a stack: a purchase puts the levels (level_before,
-- level_after] on top, a return takes (level_after, level_before] off.
with changed as (
    select * from {{ ref('int_changed_customer_products') }}
),

-- Of most products nothing has ever come back.
stacks as (
    select distinct
        lines.customer_id,
        lines.source,
        lines.product_id,
        lines.currency
    from {{ ref('int_order_lines_identified') }} as lines
    {% if is_incremental() -%}
    inner join changed
        on
            lines.customer_id = changed.customer_id
            and lines.source = changed.source
            and lines.product_id = changed.product_id
    {%- endif %}
    where lines.quantity < 0 and lines.customer_id is not null and lines.product_id is not null
),

-- Returns before purchases of the same instant: only an earlier purchase can be returned.
movements as (
    select
        lines.customer_id,
        lines.source,
        lines.product_id,
        lines.currency,
        lines.line_key,
        lines.order_id,
        lines.quantity,
        row_number() over (
            partition by lines.customer_id, lines.source, lines.product_id, lines.currency
            order by lines.ordered_at, lines.quantity > 0, lines.order_id, lines.batch_id, lines.line_number
        ) as position
    from stacks
    inner join {{ ref('int_order_lines_identified') }} as lines
        on
            stacks.customer_id = lines.customer_id
            and stacks.source = lines.source
            and stacks.product_id = lines.product_id
            and stacks.currency is not distinct from lines.currency
    where lines.quantity <> 0
),

balances as (
    select
        *,
        sum(quantity) over stack as balance
    from movements
    window stack as (partition by customer_id, source, product_id, currency order by position)
),

-- A return of what was never bought makes no debt: the stack is empty at worst.
levels as (
    select
        *,
        balance - least(0, min(balance) over stack) as level_after
    from balances
    window stack as (partition by customer_id, source, product_id, currency order by position)
)

select
    customer_id,
    source,
    product_id,
    currency,
    position,
    line_key,
    order_id,
    quantity,
    coalesce(lag(level_after) over stack, 0) as level_before,
    level_after,
    {{ run_id() }} as run_id
from levels
window stack as (partition by customer_id, source, product_id, currency order by position)
