{{ config(tags=['since']) }}

select distinct
    source,
    refund_id
from {{ source('raw', 'refunds') }}
where {{ newly_seen('refunds') }}
