{{ config(tags=['since']) }}

select
    run_id,
    kind,
    source,
    value,
    first_batch_id,
    old_customer_id,
    new_customer_id
from {{ source('identity', 'identifier_changes') }}
where {{ written_since() }}
