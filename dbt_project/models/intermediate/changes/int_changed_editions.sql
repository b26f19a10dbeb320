{{ config(tags=['as_of']) }}

{% if var('since_run_id') is none -%}
select
    cast(null as text) as edition_id,
    false as is_new
where false
{%- else -%}
with editions as (
    select * from {{ ref('stg_editions') }}
),

messages as (
    select * from {{ ref('stg_messages_now') }}
),

changed_events as (
    select * from {{ ref('stg_changed_message_events') }}
),

-- What a run that was broken off has told is told once more, to whom it did not reach.
told as (
    select * from {{ previous('int_edition_days') }}
    where run_id <= {{ var('since_run_id') }}
),

-- Nothing tells when a message changes its state, but only these can have: those with something under way.
changed as (
    select
        editions.edition_id,
        true as is_new
    from editions
    left join told on editions.edition_id = told.edition_id
    where told.edition_id is null
    union
    select
        edition_id,
        false as is_new
    from editions
    where state not in ('done', 'cancelled')
    union
    select
        edition_id,
        false as is_new
    from told
    where planned > 0 or sending > 0 or uncertain > 0 or unknown > 0
    union
    select
        messages.edition_id,
        false as is_new
    from messages
    inner join changed_events on messages.message_id = changed_events.message_id
)

select
    edition_id,
    bool_or(is_new) as is_new
from changed
group by edition_id
{%- endif %}
