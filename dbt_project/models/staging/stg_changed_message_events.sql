{{ config(tags=['as_of']) }}

-- Events come in no batch; an hour more, because a transaction's clock is that of its start.
with events as (
    select * from {{ source('activation', 'message_events') }}
    where occurred_at < {{ as_of() }}
)

select distinct message_id from events
{% if var('since_run_id') is not none -%}
where
    occurred_at >= cast('{{ var("since_as_of") }}' as timestamptz)
    or recorded_at >= (
        select runs.started_at - interval '1 hour' from {{ source('ops', 'runs') }} as runs
        where runs.run_id = {{ var('since_run_id') }}
    )
{%- endif %}
