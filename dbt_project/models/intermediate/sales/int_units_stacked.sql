-- The units that a customer has of a product, as a stack: a purchase puts the levels (level_before,
-- level_after] on top, a return takes (level_after, level_before] off.
with lines as (
    select * from {{ ref('int_order_lines_identified') }}
),

returned_products as (
    select distinct
        customer_id,
        source,
        product_id,
        currency
    from lines
    where quantity < 0 and customer_id is not null and product_id is not null
),

stacks as (
    select
        *,
        row_number() over (order by customer_id, source, product_id, currency) as stack_id
    from returned_products
),

-- Returns before purchases of the same instant: only an earlier purchase can be returned.
movements as (
    select
        stacks.stack_id,
        lines.source,
        lines.line_key,
        lines.order_id,
        lines.quantity,
        row_number() over (
            partition by stacks.stack_id
            order by lines.ordered_at, lines.quantity > 0, lines.order_id, lines.batch_id, lines.line_number
        ) as position
    from lines
    inner join stacks
        on
            lines.customer_id = stacks.customer_id
            and lines.source = stacks.source
            and lines.product_id = stacks.product_id
            and lines.currency is not distinct from stacks.currency
    where lines.quantity <> 0
),

balances as (
    select
        *,
        sum(quantity) over (partition by stack_id order by position) as balance
    from movements
),

-- A return of what was never bought makes no debt: the stack is empty at worst.
levels as (
    select
        *,
        balance - least(0, min(balance) over (partition by stack_id order by position)) as level_after
    from balances
),

stacked as (
    select
        stack_id,
        position,
        source,
        line_key,
        order_id,
        quantity,
        coalesce(lag(level_after) over (partition by stack_id order by position), 0) as level_before,
        level_after
    from levels
)

select * from stacked
