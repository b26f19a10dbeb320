with versions as (
    select
        source,
        order_id,
        is_deleted,
        {{ recency(['order_id'], ['updated_at']) }} as recency
    from {{ source('raw', 'orders') }}
    where {{ visible('ordered_at', 'updated_at') }}
)

select
    source,
    order_id
from versions
where recency = 1 and is_deleted
