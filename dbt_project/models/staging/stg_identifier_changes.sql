select
    run_id,
    kind,
    source,
    value,
    first_batch_id,
    old_customer_id,
    new_customer_id
from {{ source('identity', 'identifier_changes') }}
where run_id > {{ var('since_run_id') if var('since_run_id') is not none else 'null' }}
