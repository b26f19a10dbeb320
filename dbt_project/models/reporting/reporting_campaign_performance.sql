{{ config(tags=['as_of'], alias='campaign_performance') }}

select * from {{ ref('campaign_performance') }}
