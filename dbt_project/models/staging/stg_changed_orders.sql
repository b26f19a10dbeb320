{{ config(tags=['since']) }}

select distinct
    source,
    order_id
from {{ source('raw', 'orders') }}
where {{ newly_seen('orders') }}
