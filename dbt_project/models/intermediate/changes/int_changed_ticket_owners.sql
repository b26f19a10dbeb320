with tickets as (
    select * from {{ ref('int_tickets_identified') }}
    where {{ written_since() }}
),

changed as (
    select customer_id from tickets
    where customer_id is not null
    {% if var('since_run_id') is not none -%}
    union
    select earlier.customer_id
    from {{ previous('int_ticket_first_contacts') }} as earlier
    inner join {{ ref('int_changed_tickets') }} as moved
        on earlier.source = moved.source and earlier.ticket_id = moved.ticket_id
    {%- endif %}
)

select * from changed
