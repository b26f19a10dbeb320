select distinct customer_id
from {{ source('ops', 'removed_facts') }}
where run_id > {{ var('since_run_id') if var('since_run_id') is not none else 'null' }}
