select
    segment,
    customer_id
from {{ source('segments', 'members') }}
