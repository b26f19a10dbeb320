{{ config(tags=['as_of']) }}

with arms as (
    select * from {{ source('activation', 'arms') }}
),

redirects as (
    select * from {{ source('identity', 'merges') }}
)

select
    arms.campaign,
    arms.recipient_key,
    coalesce(redirects.customer_id, arms.customer_id) as customer_id,
    arms.arm,
    arms.variant,
    arms.edition_id,
    arms.due_at
from arms
left join redirects on arms.customer_id = redirects.old_customer_id
where arms.due_at < {{ as_of() }}
