{{ config(tags=['as_of']) }}

{%- set since = "cast(cast('" ~ var('since_as_of') ~ "' as timestamptz) at time zone 'UTC' as date)" -%}
{#- Whether the first contacts of the days before it held was decided by the last view. -#}
{%- set undecided = "date '0001-01-01'" if var('since_run_id') is none
    else since ~ " - " ~ var('first_contact_days') %}

with days as (
    select * from {{ ref('int_changed_service_days') }}
)

select least(min(service_date), {{ undecided }}) as first_day
from days
