{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_editions'), ['edition_id']) }}",
    indexes=[
        {'columns': ['message_id']},
        {'columns': ['edition_id']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_editions') }}
),

messages as (
    select * from {{ ref('stg_messages_now') }}
    {% if is_incremental() -%}
    where {{ among(['edition_id'], 'changed') }}
    {%- endif %}
),

events as (
    select * from {{ ref('stg_message_events') }}
),

agent_words as (
    select pattern from {{ ref('bot_user_agents') }}
    union
    select pattern from {{ ref('mail_scanners') }}
),

told as (
    select
        events.message_id,
        messages.edition_id,
        messages.variant,
        events.event,
        events.occurred_at,
        events.user_agent,
        events.is_machine_open,
        -- What follows the question mark tells people apart, not links.
        case when events.event = 'clicked' then split_part(split_part(events.detail, '#', 1), '?', 1) end
            as link
    from events
    inner join messages on events.message_id = messages.message_id
    where events.event in ('opened', 'clicked')
),

looked_at as (
    select distinct message_id from told
),

delivered as (
    select
        events.message_id,
        min(events.occurred_at) as delivered_at
    from events
    inner join looked_at on events.message_id = looked_at.message_id
    where events.event = 'delivered'
    group by events.message_id
),

agents as (
    select distinct user_agent from told
),

machine_agents as (
    select distinct agents.user_agent
    from agents
    inner join agent_words on lower(agents.user_agent) like '%' || agent_words.pattern || '%'
    union
    -- What asks without saying who it is only looks whether the link is there.
    select user_agent from agents
    where trim(user_agent) = ''
),

-- The links of a mail are those that two of its recipients have followed.
followed_by_several as (
    select
        edition_id,
        variant,
        link
    from told
    where event = 'clicked'
    group by edition_id, variant, link
    having count(distinct message_id) >= 2
),

links as (
    select
        edition_id,
        variant,
        count(*) as link_count
    from followed_by_several
    group by edition_id, variant
),

followed_by_one as (
    select
        message_id,
        count(distinct link) as link_count,
        max(occurred_at) - min(occurred_at) as took
    from told
    where event = 'clicked'
    group by message_id
),

compared as (
    select
        told.*,
        delivered.delivered_at,
        machine_agents.user_agent is not null as is_machine_agent,
        coalesce(
            links.link_count >= {{ var('click_burst_links') }}
            and followed_by_one.link_count >= links.link_count
            and followed_by_one.took <= interval '{{ var("click_all_links_seconds") }} seconds',
            false
        ) as is_every_link,
        array_agg(told.link) over (
            partition by told.message_id, told.event
            order by told.occurred_at
            range between
            interval '{{ var("click_burst_seconds") }} seconds' preceding
            and interval '{{ var("click_burst_seconds") }} seconds' following
        ) as links_nearby
    from told
    left join delivered on told.message_id = delivered.message_id
    left join machine_agents on told.user_agent = machine_agents.user_agent
    left join followed_by_one on told.message_id = followed_by_one.message_id
    left join links
        on told.edition_id = links.edition_id and told.variant is not distinct from links.variant
),

judged as (
    select
        message_id,
        edition_id,
        event,
        link,
        occurred_at,
        case
            when is_machine_agent then 'agent'
            when event = 'opened' and is_machine_open then 'proxy'
            when occurred_at < delivered_at + interval '{{ var("click_min_seconds") }} seconds' then 'early'
            when
                event = 'clicked'
                and (select count(distinct nearby.link) from unnest(links_nearby) as nearby (link))
                >= {{ var('click_burst_links') }}
                then 'burst'
            when event = 'clicked' and is_every_link then 'every_link'
        end as machine_reason
    from compared
)

select
    message_id,
    edition_id,
    event,
    link,
    occurred_at,
    machine_reason,
    machine_reason is null as is_human,
    {{ run_id() }} as run_id
from judged
