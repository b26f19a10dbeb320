-- Without a CTE, because PostgreSQL joins by index only what it can take apart.
select
    message_id,
    campaign,
    edition_id,
    customer_id as planned_customer_id,
    arm,
    variant,
    state,
    state_reason,
    entered_at,
    due_at,
    expires_at,
    claimed_at,
    accepted_at,
    delivery,
    delivery_at
from {{ source('activation', 'messages') }}
