{{ config(
    materialized='incremental',
    pre_hook="{{ forget(
        ref('int_changed_ticket_owners'), ['customer_id'], from_time={'opened_at': 'told_from'}
    ) }}",
    indexes=[
        {'columns': ['source', 'ticket_id'], 'unique': true},
        {'columns': ['customer_id', 'opened_at']},
        {'columns': ['run_id']},
    ],
) }}

with tickets as (
    select tickets.* from {{ ref('int_tickets_enriched') }} as tickets
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_ticket_owners') }} as changed
        on
            tickets.customer_id = changed.customer_id
            and coalesce(tickets.opened_at, 'infinity') >= changed.told_from
    {%- else -%}
    where tickets.customer_id is not null
    {%- endif %}
),

-- Tickets that were opened at the same moment are one contact.
followed as (
    select
        *,
        min(opened_at) over (
            partition by customer_id
            order by opened_at
            groups between 1 following and 1 following
        ) as next_opened_at
    from tickets
),

judged as (
    select
        source,
        ticket_id,
        customer_id,
        coalesce(opened_at, 'infinity') as opened_at,
        next_opened_at,
        resolved_at + interval '{{ 24 * var("first_contact_days") }} hours' as decided_at,
        case
            when not is_open
                then
                    reply_count = 1
                    and coalesce(reopening_count, reopen_count) = 0
                    and (
                        next_opened_at < resolved_at + interval '{{ 24 * var("first_contact_days") }} hours'
                    ) is not true
                    and case when resolved_at is not null then true end
        end as is_kept,
        {{ run_id() }} as run_id
    from followed
)

select * from judged
