select
    old_customer_id,
    customer_id
from {{ source('identity', 'merges') }}
