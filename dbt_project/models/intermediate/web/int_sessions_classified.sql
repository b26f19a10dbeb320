{{ config(
    materialized='incremental',
    pre_hook="{{ forget(
        ref('int_changed_sessions'), ['session_id'], owner='customer_id', remember={'visit': ['source', 'session_id']}
    ) }}",
    indexes=[
        {'columns': ['session_id'], 'unique': true},
        {'columns': ['customer_id']},
        {'columns': ['ended_at']},
        {'columns': ['run_id']},
    ],
) }}

-- Portable SQL only (see stg_web_events).
with changed as (
    select * from {{ ref('int_changed_sessions') }}
),

sessions as (
    select
        summed.*,
        {{ host_of('entry_page') }} as own_host,
        {{ host_of('referrer') }} as referrer_host
    from {{ ref('int_sessions_summed') }} as summed
    {% if is_incremental() -%}
    where {{ among(['session_id'], 'changed') }}
    {%- endif %}
),

origins as (
    select * from {{ ref('web_origins') }}
),

bot_words as (
    select * from {{ ref('bot_user_agents') }}
),

agents as (
    select distinct user_agent from sessions
),

bot_agents as (
    select distinct agents.user_agent
    from agents
    inner join bot_words
        on lower(agents.user_agent) like {{ dbt.concat(["'%'", "bot_words.pattern", "'%'"]) }}
),

bot_devices as (
    select * from {{ ref('bot_devices') }}
),

-- Of several patterns the longest speaks: mail.google.% before google.%.
sites as (
    select
        hosts.host,
        origins.kind,
        row_number() over (
            partition by hosts.host order by length(origins.pattern) desc, origins.pattern
        ) as place
    from (
        select referrer_host as host from sessions
        union
        select lower(utm_source) as host from sessions
    ) as hosts
    inner join origins
        on
            origins.field = 'site'
            and (
                hosts.host like origins.pattern
                or hosts.host like {{ dbt.concat(["'%.'", "origins.pattern"]) }}
            )
),

-- A click that an advertiser has numbered was paid for.
clicks as (
    select
        sessions.session_id,
        min(origins.kind) as kind
    from sessions
    inner join origins
        on
            origins.field = 'parameter'
            and sessions.entry_page like {{ dbt.concat(["'%'", "origins.pattern", "'=%'"]) }}
    where sessions.entry_page like '%?%'
    group by sessions.session_id
),

traced as (
    select
        sessions.*,
        case when clicks.kind is not null then 'paid' else mediums.kind end as medium_kind,
        coalesce(named.kind, named_sites.kind, clicks.kind) as source_kind,
        case
            when sessions.referrer_host = sessions.own_host or referrers.kind = 'passage' then 'none'
            when sessions.referrer_host like {{ dbt.concat(["'%.'", "sessions.own_host"]) }} then 'none'
            when sessions.own_host like {{ dbt.concat(["'%.'", "sessions.referrer_host"]) }} then 'none'
            else referrers.kind
        end as referrer_kind,
        case
            when bot_devices.anonymous_id is not null then 'device'
            when bot_agents.user_agent is not null then 'user_agent'
            when sessions.is_burst then 'speed'
        end as bot_reason
    from sessions
    left join clicks on sessions.session_id = clicks.session_id
    left join origins as mediums
        on mediums.field = 'medium' and lower(sessions.utm_medium) = mediums.pattern
    left join origins as named
        on named.field = 'source' and lower(sessions.utm_source) = named.pattern
    left join sites as named_sites
        on named_sites.place = 1 and lower(sessions.utm_source) = named_sites.host
    left join sites as referrers
        on referrers.place = 1 and sessions.referrer_host = referrers.host
    left join bot_agents on sessions.user_agent = bot_agents.user_agent
    left join bot_devices
        on sessions.source = bot_devices.source and sessions.anonymous_id = bot_devices.anonymous_id
),

classified as (
    select
        session_id,
        source,
        anonymous_id,
        customer_id,
        started_at,
        ended_at,
        event_count,
        entry_page,
        exit_page,
        referrer,
        utm_source,
        utm_medium,
        utm_campaign,
        user_agent,
        {{ channel_of('medium_kind', 'source_kind', 'referrer_kind') }} as channel,
        bot_reason,
        has_cart,
        has_checkout,
        has_purchase,
        {{ run_id() }} as run_id
    from traced
)

select * from classified
