select
    edition_id,
    campaign,
    step,
    slot_at,
    state,
    state_reason
from {{ source('activation', 'editions') }}
