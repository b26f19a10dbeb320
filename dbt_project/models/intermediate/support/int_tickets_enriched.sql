{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_tickets'), ['source', 'ticket_id'], owner='customer_id') }}",
    indexes=[
        {'columns': ['ticket_id', 'source'], 'unique': true},
        {'columns': ['customer_id', "coalesce(opened_at, 'infinity')"]},
        {'columns': ['coalesce(opened_at, updated_at)']},
        {'columns': ['run_id']},
    ],
) }}

{%- set parts = {
    'tickets': 'int_tickets_identified',
    'states': 'int_ticket_states_summed',
    'replies': 'int_ticket_replies',
    'ratings': 'int_ticket_ratings',
    'hand_overs': 'int_ticket_hand_overs',
} %}

with changed as (
    select * from {{ ref('int_changed_tickets') }}
),

{% for name, model in parts.items() -%}
{{ name }} as (
    select * from {{ ref(model) }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

{% endfor -%}
sources_with_comments as (
    select source from {{ ref('int_ticket_event_kinds') }}
    where kind = 'comment'
),

targets as (
    select * from {{ service_hours('targets', 'position integer, priority text, team text, '
        ~ 'first_reply_minutes numeric, resolution_minutes numeric') }}
),

joined as (
    select
        tickets.*,
        states.reopening_count,
        states.last_reopened_at,
        hand_overs.hand_over_count,
        case
            when sources_with_comments.source is not null then coalesce(replies.reply_count, 0)
        end as reply_count,
        coalesce(tickets.csat_score, ratings.csat_score) as best_csat_score,
        coalesce(tickets.first_replied_at, replies.first_replied_at) as best_replied_at,
        case
            when not tickets.is_open then coalesce(tickets.solved_at, states.last_finished_at)
        end as resolved_at,
        -- A score without a rating of its own was given when the ticket was solved, or by its last update.
        case
            when ratings.rated_at is not null then ratings.rated_at
            when tickets.csat_score is not null then coalesce(tickets.solved_at, tickets.updated_at)
        end as rated_at,
        states.agent_wait_seconds,
        states.agent_wait_business_seconds,
        states.customer_wait_seconds,
        states.customer_wait_business_seconds,
        case when tickets.is_open then states.waiting_for end as waiting_for,
        case when tickets.is_open then states.waiting_since end as waiting_since,
        case when tickets.is_open then states.business_seconds_when_waiting_began end
            as business_seconds_when_waiting_began
    from tickets
    {% if is_incremental() -%}
    inner join changed on tickets.source = changed.source and tickets.ticket_id = changed.ticket_id
    {% endif -%}
    {% for name in parts if name != 'tickets' -%}
    left join {{ name }}
        on tickets.source = {{ name }}.source and tickets.ticket_id = {{ name }}.ticket_id
    {% endfor -%}
    left join sources_with_comments
        on tickets.source = sources_with_comments.source
),

timed as (
    select
        *,
        {{ business_seconds('joined.opened_at', 'joined.calendar') }} as business_seconds_when_opened,
        {{ business_seconds('joined.best_replied_at', 'joined.calendar') }} as business_seconds_when_replied,
        {{ business_seconds('joined.resolved_at', 'joined.calendar') }} as business_seconds_when_resolved
    from joined
)

select
    timed.source,
    timed.ticket_id,
    timed.customer_id,
    timed.status,
    timed.subject,
    timed.channel,
    timed.category,
    timed.priority,
    timed.team,
    timed.calendar,
    timed.is_open,
    timed.reopen_count,
    timed.reopening_count,
    timed.reply_count,
    timed.hand_over_count,
    timed.best_csat_score as csat_score,
    timed.opened_at,
    timed.updated_at,
    timed.best_replied_at as first_replied_at,
    timed.solved_at,
    timed.resolved_at,
    timed.last_reopened_at,
    timed.rated_at,
    {{ minutes_between('timed.opened_at', 'timed.best_replied_at') }} as first_reply_minutes,
    {{ minutes_between('timed.opened_at', 'timed.resolved_at') }} as resolution_minutes,
    case
        when timed.best_replied_at >= timed.opened_at
            then round((timed.business_seconds_when_replied - timed.business_seconds_when_opened) / 60, 2)
    end as first_reply_business_minutes,
    case
        when timed.resolved_at >= timed.opened_at
            then round((timed.business_seconds_when_resolved - timed.business_seconds_when_opened) / 60, 2)
    end as resolution_business_minutes,
    {% for who in ['agent', 'customer'] -%}
    round(timed.{{ who }}_wait_seconds / 60, 2) as {{ who }}_wait_minutes,
    round(timed.{{ who }}_wait_business_seconds / 60, 2) as {{ who }}_wait_business_minutes,
    {% endfor -%}
    timed.waiting_for,
    timed.waiting_since,
    timed.business_seconds_when_waiting_began,
    timed.business_seconds_when_opened,
    target.first_reply_minutes as first_reply_target_minutes,
    target.resolution_minutes as resolution_target_minutes,
    {{ run_id() }} as run_id
from timed
left join lateral (
    select
        targets.first_reply_minutes,
        targets.resolution_minutes
    from targets
    where
        (targets.priority is null or targets.priority = timed.priority)
        and (targets.team is null or targets.team = timed.team)
    order by targets.position
    limit 1
) as target on true
-- The tickets of a time lie together, as if built day by day.
order by timed.opened_at
