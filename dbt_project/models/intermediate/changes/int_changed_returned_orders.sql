with changed_orders as (
    select * from {{ ref('int_changed_orders') }}
),

removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'return'
),

return_lines as (
    select * from {{ ref('int_return_lines_tied') }}
    where {{ written_since() }}
),

changed as (
    select
        source,
        order_id
    from changed_orders
    union
    select
        key ->> 0 as source,
        key ->> 2 as order_id
    from removed
    union
    select
        key ->> 0 as source,
        key ->> 3 as order_id
    from removed
    union
    select
        source,
        order_id
    from return_lines
    union
    select
        source,
        tied_order_id as order_id
    from return_lines
)

select * from changed
where order_id is not null
