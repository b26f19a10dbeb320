with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
    where {{ written_since() }}
),

moments as (
    select
        customer_id,
        coalesce(opened_at, 'infinity') as opened_at
    from tickets
    where customer_id is not null
    {% if var('since_run_id') is not none -%}
    union all
    select
        earlier.customer_id,
        earlier.opened_at
    from {{ previous('int_ticket_first_contacts') }} as earlier
    inner join {{ ref('int_changed_tickets') }} as moved
        on earlier.source = moved.source and earlier.ticket_id = moved.ticket_id
    {%- endif %}
),

changed as (
    select
        customer_id,
        min(opened_at) as changed_from
    from moments
    group by customer_id
)

select
    customer_id,
    {% if var('since_run_id') is none -%}
    cast('-infinity' as timestamptz) as told_from
    {%- else -%}
    -- What came before the change is followed by another ticket now; what came before that is not.
    coalesce((
        select max(earlier.opened_at)
        from {{ previous('int_ticket_first_contacts') }} as earlier
        where earlier.customer_id = changed.customer_id and earlier.opened_at < changed.changed_from
    ), '-infinity') as told_from
    {%- endif %}
from changed
