select
    edition_id,
    reason,
    messages as message_count
from {{ source('activation', 'edition_counts') }}
