select
    kind,
    source,
    value,
    customer_id,
    first_seen_at,
    last_seen_at
from {{ source('identity', 'identifiers') }}
