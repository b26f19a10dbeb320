{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customer_products'), ['customer_id', 'source', 'product_id'],
        from_time={'ordered_at': 'told_from'}, is_probed=true) }}",
    indexes=[{'columns': ['customer_id', 'product_id']}, {'columns': ['run_id']}],
) }}

-- The units that a customer has of a product, as a stack: a purchase puts the levels (level_before,
-- level_after] on top, a return takes (level_after, level_before] off. A stack that lines were only added to
-- goes on from where it was before the first of them. A product of which nothing ever came back has none.
with stacks as (
    select distinct
        lines.customer_id,
        lines.source,
        lines.product_id,
        lines.currency
    from {{ ref('int_order_lines_identified') }} as lines
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_customer_products') }} as changed
        on
            lines.customer_id = changed.customer_id
            and lines.source = changed.source
            and lines.product_id = changed.product_id
    {%- endif %}
    where lines.quantity < 0 and lines.customer_id is not null and lines.product_id is not null
),

{% if is_incremental() -%}
kept as materialized (
    select distinct on (stacked.customer_id, stacked.source, stacked.product_id, stacked.currency)
        stacked.customer_id,
        stacked.source,
        stacked.product_id,
        stacked.currency,
        stacked.position,
        stacked.level_after,
        changed.told_from
    from {{ this }} as stacked
    inner join {{ ref('int_changed_customer_products') }} as changed
        on
            stacked.customer_id = changed.customer_id
            and stacked.source = changed.source
            and stacked.product_id = changed.product_id
    order by stacked.customer_id, stacked.source, stacked.product_id, stacked.currency, stacked.position desc
),

begun as materialized (
    select
        stacks.*,
        coalesce(kept.position, 0) as kept_position,
        coalesce(kept.level_after, 0) as kept_level,
        coalesce(kept.told_from, '-infinity') as told_from
    from stacks
    left join kept
        on
            stacks.customer_id = kept.customer_id
            and stacks.source = kept.source
            and stacks.product_id = kept.product_id
            and stacks.currency is not distinct from kept.currency
),
{%- else -%}
begun as (
    select
        *,
        0 as kept_position,
        0 as kept_level,
        cast('-infinity' as timestamptz) as told_from
    from stacks
),
{%- endif %}

-- Returns before purchases of the same instant: only an earlier purchase can be returned.
movements as (
    select
        lines.customer_id,
        lines.source,
        lines.product_id,
        lines.currency,
        lines.line_key,
        lines.order_id,
        lines.ordered_at,
        lines.quantity,
        begun.kept_level,
        begun.kept_position + row_number() over (
            partition by lines.customer_id, lines.source, lines.product_id, lines.currency
            order by lines.ordered_at, lines.quantity > 0, lines.order_id, lines.batch_id, lines.line_number
        ) as position
    from begun
    inner join {{ ref('int_order_lines_identified') }} as lines
        on
            begun.customer_id = lines.customer_id
            and begun.source = lines.source
            and begun.product_id = lines.product_id
            and begun.currency is not distinct from lines.currency
            and begun.told_from <= lines.ordered_at
    where lines.quantity <> 0
),

balances as (
    select
        *,
        kept_level + sum(quantity) over stack as balance
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
    ordered_at,
    quantity,
    coalesce(lag(level_after) over stack, kept_level) as level_before,
    level_after,
    {{ run_id() }} as run_id
from levels
window stack as (partition by customer_id, source, product_id, currency order by position)
