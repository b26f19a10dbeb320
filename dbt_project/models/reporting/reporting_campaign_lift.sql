{{ config(tags=['as_of'], alias='campaign_lift') }}

with lift as (
    select * from {{ ref('campaign_lift') }}
)

select * from lift
