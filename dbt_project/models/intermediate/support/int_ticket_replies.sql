{{ config(materialized='view') }}

with replies as (
    select * from {{ ref('int_ticket_events') }}
    where kind = 'comment' and author_kind = 'agent' and is_public
)

select
    source,
    ticket_id,
    min(occurred_at) as first_replied_at,
    count(*) as reply_count
from replies
group by source, ticket_id
