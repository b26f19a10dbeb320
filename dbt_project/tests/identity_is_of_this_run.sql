-- A build by hand after new loads would show yesterday's people with today's facts: identity comes first.
-- depends_on: {{ ref('int_order_lines_identified') }}
with watermark as (
    select * from {{ ref('stg_identity_watermark') }}
),

expected as (
    select
        {{ as_of() }} as as_of,
        {{ var('max_batch_id') or 0 }} as max_batch_id
)

select expected.*
from expected
left join watermark
    on expected.as_of = watermark.as_of and expected.max_batch_id = watermark.max_batch_id
where watermark.run_id is null
