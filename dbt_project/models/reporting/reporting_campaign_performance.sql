{{ config(tags=['as_of'], alias='campaign_performance') }}

with performance as (
    select * from {{ ref('campaign_performance') }}
)

select * from performance
