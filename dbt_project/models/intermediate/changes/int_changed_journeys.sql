{{ config(tags=['as_of']) }}

with touches as (
    select * from {{ ref('customer_timeline') }}
    where {{ written_since() }}
),

removed as (
    select * from {{ ref('stg_removed_facts') }}
),

changed as (
    select customer_id from touches
    union
    select customer_id from removed
    {% if var('since_run_id') is not none -%}
    union
    -- Time alone turns a journey that was open into one that fell silent.
    select customer_id from {{ previous('journeys', 'marts') }}
    where outcome = 'open' and ended_at < {{ before_as_of(days=var('journey_silence_days')) }}
    {%- endif %}
)

select * from changed
