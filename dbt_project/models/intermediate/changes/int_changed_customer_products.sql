with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'line'
),

lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where {{ written_since() }}
),

changed as (
    select
        key ->> 0 as customer_id,
        key ->> 1 as source,
        key ->> 2 as product_id,
        cast(key ->> 5 as timestamptz) as ordered_at,
        false as is_added
    from removed
    union all
    select
        customer_id,
        source,
        product_id,
        ordered_at,
        true as is_added
    from lines
),

products as (
    select
        customer_id,
        source,
        product_id,
        min(ordered_at) as changed_from,
        bool_and(is_added) as is_added_to
    from changed
    where customer_id is not null
    group by customer_id, source, product_id
)

select
    customer_id,
    source,
    product_id,
    coalesce(product_id, '') as product_key,
    changed_from,
    is_added_to,
    case when is_added_to then changed_from else '-infinity' end as told_from
from products
