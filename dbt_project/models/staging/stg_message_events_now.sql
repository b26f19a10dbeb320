select
    message_id,
    event,
    class,
    occurred_at
from {{ source('activation', 'message_events') }}
