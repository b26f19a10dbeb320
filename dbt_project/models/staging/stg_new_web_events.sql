{{ config(tags=['since']) }}

with events as (
    select * from {{ ref('stg_web_events') }}
    where {{ newly_seen('web_events') }}
)

-- Of a batch that is read again, what was visible before is there already.
select * from events
{% if var('since_run_id') is not none -%}
where
    batch_id > {{ var('since_batch_id') }}
    or occurred_at >= cast('{{ var("since_as_of") }}' as {{ type_moment() }})
{%- endif %}
