{{ config(tags=['since']) }}

select distinct
    source,
    order_id
from {{ source('raw', 'order_lines') }}
where {{ newly_seen('order_lines') }}
