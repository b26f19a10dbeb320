{{ config(materialized='view') }}

-- A version that names nobody says nothing about who has the ticket.
with assignments as (
    {% for column in ['assignee', 'team'] -%}
    select
        source,
        ticket_id,
        position,
        {{ column }} <> lag({{ column }}) over (
            partition by source, ticket_id
            order by position
        ) as is_hand_over
    from {{ ref('stg_ticket_versions') }}
    where {{ column }} is not null
    {% if not loop.last -%}union all{%- endif %}
    {% endfor %}
)

select
    source,
    ticket_id,
    count(distinct position) filter (where is_hand_over) as hand_over_count
from assignments
group by source, ticket_id
