{{ config(tags=['as_of'], alias='campaign_lift') }}

select * from {{ ref('campaign_lift') }}
