with seen as (
    select * from {{ ref('stg_changed_ticket_events') }}
)

select * from seen
{% if var('since_run_id') is none -%}
where false
{%- endif %}
