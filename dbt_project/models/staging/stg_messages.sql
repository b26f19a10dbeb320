{{ config(tags=['as_of']) }}

with messages as (
    select * from {{ source('activation', 'messages') }}
),

merges as (
    select * from {{ source('identity', 'merges') }}
)

select
    messages.message_id,
    messages.campaign,
    messages.edition_id,
    coalesce(merges.customer_id, messages.customer_id) as customer_id,
    messages.accepted_at
from messages
left join merges on messages.customer_id = merges.old_customer_id
where messages.accepted_at < {{ as_of() }}
