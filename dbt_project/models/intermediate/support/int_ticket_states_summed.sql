{{ config(materialized='view') }}

with spans as (
    select
        *,
        coalesce(previous_status in ('solved', 'closed'), false) as was_finished,
        status in ('solved', 'closed') as is_finished
    from {{ ref('int_ticket_spans') }}
)

select
    source,
    ticket_id,
    count(*) filter (where was_finished and not is_finished) as reopening_count,
    max(started_at) filter (where was_finished and not is_finished) as last_reopened_at,
    max(started_at) filter (where is_finished and not was_finished) as last_finished_at,
    -- Of times that are unknown there is no sum.
    {% for who in ['agent', 'customer'] -%}
    coalesce(sum(elapsed_seconds) filter (where waiting_for = '{{ who }}'), 0) as {{ who }}_wait_seconds,
    case
        when bool_or(waiting_for = '{{ who }}' and elapsed_seconds > 0 and business_seconds is null)
            then null
        else coalesce(sum(business_seconds) filter (where waiting_for = '{{ who }}'), 0)
    end as {{ who }}_wait_business_seconds,
    {% endfor -%}
    max(waiting_for) filter (where ended_at is null) as waiting_for,
    max(started_at) filter (where ended_at is null and waiting_for is not null) as waiting_since,
    max(business_seconds_at_start) filter (where ended_at is null and waiting_for is not null)
        as business_seconds_when_waiting_began
from spans
group by source, ticket_id
