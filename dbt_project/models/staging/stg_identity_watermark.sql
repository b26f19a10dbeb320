select
    run_id,
    as_of,
    max_batch_id
from {{ source('identity', 'watermark') }}
