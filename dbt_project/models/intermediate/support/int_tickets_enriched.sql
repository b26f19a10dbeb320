with tickets as (
    select
        tickets.*,
        {{ customer_of() }} as customer_id
    from {{ ref('stg_tickets') }} as tickets
    {{ join_customers('tickets') }}
),

histories as (
    select
        source,
        ticket_id
    from {{ ref('int_ticket_status_changes') }}
    group by source, ticket_id
),

reopenings as (
    select
        source,
        ticket_id,
        count(*) as reopening_count,
        max(reopened_at) as last_reopened_at
    from {{ ref('int_ticket_reopenings') }}
    group by source, ticket_id
),

replies as (
    select * from {{ ref('int_ticket_replies') }}
),

sources_with_comments as (
    select distinct source from {{ ref('stg_ticket_events') }}
    where kind = 'comment'
),

ratings as (
    select * from {{ ref('int_ticket_ratings') }}
)

select
    tickets.source,
    tickets.ticket_id,
    tickets.customer_id,
    tickets.status,
    tickets.subject,
    tickets.channel,
    tickets.category,
    tickets.priority,
    tickets.team,
    tickets.status not in ('solved', 'closed') as is_open,
    tickets.reopen_count,
    case
        when histories.ticket_id is not null then coalesce(reopenings.reopening_count, 0)
    end as reopening_count,
    case
        when sources_with_comments.source is not null then coalesce(replies.reply_count, 0)
    end as reply_count,
    coalesce(tickets.csat_score, ratings.csat_score) as csat_score,
    tickets.opened_at,
    tickets.updated_at,
    coalesce(tickets.first_replied_at, replies.first_replied_at) as first_replied_at,
    tickets.solved_at,
    reopenings.last_reopened_at,
    -- A score without a rating of its own was given when the ticket was solved, or by its last update.
    case
        when ratings.rated_at is not null then ratings.rated_at
        when tickets.csat_score is not null then coalesce(tickets.solved_at, tickets.updated_at)
    end as rated_at
from tickets
left join histories
    on tickets.source = histories.source and tickets.ticket_id = histories.ticket_id
left join reopenings
    on tickets.source = reopenings.source and tickets.ticket_id = reopenings.ticket_id
left join replies
    on tickets.source = replies.source and tickets.ticket_id = replies.ticket_id
left join ratings
    on tickets.source = ratings.source and tickets.ticket_id = ratings.ticket_id
left join sources_with_comments
    on tickets.source = sources_with_comments.source
