-- Which purchase does a returned unit come from? The latest earlier one that has it left: a stack. Stack the
-- units that a customer has of a product: a purchase puts the levels (low, high] on top, a return takes the
-- levels (after, before] off. A purchase holds what lies below the lowest level reached since, so what a return
-- takes from it is the drop of that floor, and no row has to wait for the one before it.
with lines as (
    select * from {{ ref('int_order_lines_identified') }}
),

return_lines as (
    select * from lines
    where quantity < 0
),

returned_products as (
    select distinct
        customer_id,
        source,
        product_id,
        currency
    from return_lines
    where customer_id is not null and product_id is not null
),

-- Returns before purchases of the same instant: only an earlier purchase can be returned.
movements as (
    select
        lines.*,
        row_number() over (
            partition by lines.customer_id, lines.source, lines.product_id, lines.currency
            order by lines.ordered_at, lines.quantity > 0, lines.order_id, lines.batch_id, lines.line_number
        ) as position
    from returned_products
    inner join lines
        on
            returned_products.customer_id = lines.customer_id
            and returned_products.source = lines.source
            and returned_products.product_id = lines.product_id
            and returned_products.currency is not distinct from lines.currency
),

balances as (
    select
        *,
        sum(quantity) over (
            partition by customer_id, source, product_id, currency order by position
        ) as balance
    from movements
),

-- Returns of what was never bought do not make debts: the stack is empty at worst.
levels as (
    select
        *,
        balance - least(0, min(balance) over (
            partition by customer_id, source, product_id, currency order by position
        )) as level_after
    from balances
),

stacked as (
    select
        *,
        coalesce(lag(level_after) over (
            partition by customer_id, source, product_id, currency order by position
        ), 0) as level_before
    from levels
),

floors as (
    select
        returned.source,
        returned.line_key,
        purchased.order_id as tied_order_id,
        purchased.position as purchase_position,
        purchased.level_before as low,
        purchased.level_after as high,
        min(returned.level_after) over removals_in_order as level_now,
        min(returned.level_after) over removals_before as level_until_now
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
    window
        removals_in_order as (
            partition by
                purchased.customer_id, purchased.source, purchased.product_id, purchased.currency,
                purchased.position
            order by returned.position
        ),
        removals_before as (removals_in_order rows between unbounded preceding and 1 preceding)
),

pieces as (
    select
        source,
        line_key,
        tied_order_id,
        sum(
            greatest(low, coalesce(least(high, level_until_now), high)) - greatest(low, least(high, level_now))
        ) as quantity
    from floors
    group by source, line_key, tied_order_id
),

tied as (
    select * from pieces
    where quantity > 0
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

returned as (
    select * from tied
    union all
    select * from untied
    where quantity > 0
)

select
    return_lines.source,
    return_lines.line_key,
    return_lines.order_id,
    returned.tied_order_id,
    return_lines.customer_id,
    return_lines.product_id,
    return_lines.product_name,
    return_lines.currency,
    returned.quantity,
    -returned.quantity * return_lines.unit_price as amount,
    return_lines.ordered_at as returned_at
from returned
inner join return_lines
    on returned.source = return_lines.source and returned.line_key = return_lines.line_key
