{{ config(tags=['as_of']) }}

with messages as (
    select * from {{ source('activation', 'messages') }}
),

redirects as (
    select * from {{ source('identity', 'merges') }}
)

select
    messages.message_id,
    messages.campaign,
    messages.edition_id,
    messages.variant,
    coalesce(redirects.customer_id, messages.customer_id) as customer_id,
    messages.due_at,
    messages.accepted_at
from messages
left join redirects on messages.customer_id = redirects.old_customer_id
where messages.accepted_at < {{ as_of() }}
