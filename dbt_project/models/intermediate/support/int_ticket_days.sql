{{ config(
    materialized='incremental',
    pre_hook="{{ forget(
        ref('int_changed_ticket_days'), ['source', 'ticket_id'], remember={'service_day': ['service_date']}
    ) }}",
    indexes=[
        {'columns': ['source', 'ticket_id', 'service_date'], 'unique': true},
        {'columns': ['service_date']},
        {'columns': ['run_id']},
    ],
) }}

{%- set measures = [
    'opened', 'solved', 'reopened', 'backlog', 'over_1_day', 'over_7_days', 'over_30_days', 'opened_day',
] -%}
{%- set parts = {
    'tickets': 'int_tickets_enriched',
    'first_contacts': 'int_ticket_first_contacts',
    'open_periods': 'int_ticket_open_periods',
} %}

with changed as (
    select * from {{ ref('int_changed_ticket_days') }}
),

{% for name, model in parts.items() -%}
{{ name }} as (
    select * from {{ ref(model) }}
    {% if is_incremental() -%}
    where {{ among(['source', 'ticket_id'], 'changed') }}
    {%- endif %}
),

{% endfor -%}
periods as (
    select
        source,
        ticket_id,
        is_reopening,
        cast(began_at at time zone 'UTC' as date) as began_on,
        cast(ended_at at time zone 'UTC' as date) as ended_on,
        min(cast(began_at at time zone 'UTC' as date)) over (partition by source, ticket_id) as opened_on
    from open_periods
),

-- What happens to a ticket on a day, as steps of counts: it adds one to the backlog until it leaves it.
steps as (
    select
        source,
        ticket_id,
        began_on as service_date,
        case when is_reopening then 'reopened' else 'opened' end as measure,
        1 as amount
    from periods
    union all
    select
        source,
        ticket_id,
        ended_on as service_date,
        'solved' as measure,
        1 as amount
    from periods
    {% for measure, days in {'backlog': 0, 'over_1_day': 1, 'over_7_days': 7, 'over_30_days': 30}.items() -%}
    union all
    select
        source,
        ticket_id,
        greatest(began_on, opened_on + {{ days }}) as service_date,
        '{{ measure }}' as measure,
        1 as amount
    from periods
    where greatest(began_on, opened_on + {{ days }}) < coalesce(ended_on, 'infinity')
    union all
    select
        source,
        ticket_id,
        ended_on as service_date,
        '{{ measure }}' as measure,
        -1 as amount
    from periods
    where greatest(began_on, opened_on + {{ days }}) < ended_on
    {% endfor -%}
    union all
    select
        source,
        ticket_id,
        began_on as service_date,
        'opened_day' as measure,
        opened_on - date '2000-01-01' as amount
    from periods
    union all
    select
        source,
        ticket_id,
        ended_on as service_date,
        'opened_day' as measure,
        date '2000-01-01' - opened_on as amount
    from periods
    union all
    select
        source,
        ticket_id,
        cast(first_replied_at at time zone 'UTC' as date) as service_date,
        'replied' as measure,
        1 as amount
    from tickets
    union all
    select
        source,
        ticket_id,
        cast(resolved_at at time zone 'UTC' as date) as service_date,
        'resolved' as measure,
        1 as amount
    from tickets
),

-- Estimated at one row, it would be computed again for each ticket.
summed as materialized (
    select
        source,
        ticket_id,
        service_date,
        {% for measure in measures -%}
        coalesce(sum(amount) filter (where measure = '{{ measure }}'), 0) as {{ measure }},
        {% endfor -%}
        bool_or(measure = 'replied') as is_replied,
        bool_or(measure = 'resolved') as is_resolved
    from steps
    where service_date is not null
    group by source, ticket_id, service_date
)

select
    summed.source,
    summed.ticket_id,
    summed.service_date,
    tickets.channel,
    tickets.category,
    tickets.team,
    {% for measure in measures -%}
    summed.{{ measure }},
    {% endfor -%}
    summed.is_replied,
    case when summed.is_replied then tickets.first_reply_minutes end as first_reply_minutes,
    case when summed.is_replied then tickets.first_reply_business_minutes end as first_reply_business_minutes,
    case
        when summed.is_replied then tickets.first_reply_business_minutes <= tickets.first_reply_target_minutes
    end as is_first_reply_in_time,
    summed.is_resolved,
    case when summed.is_resolved then tickets.resolution_minutes end as resolution_minutes,
    case when summed.is_resolved then tickets.resolution_business_minutes end as resolution_business_minutes,
    case
        when summed.is_resolved then tickets.resolution_business_minutes <= tickets.resolution_target_minutes
    end as is_resolution_in_time,
    case when summed.is_resolved then tickets.reply_count < 2 end as is_one_touch,
    case when summed.is_resolved then first_contacts.is_kept end as is_first_contact_kept,
    {{ run_id() }} as run_id
from summed
inner join tickets
    on summed.source = tickets.source and summed.ticket_id = tickets.ticket_id
{% if is_incremental() -%}
inner join changed
    on summed.source = changed.source and summed.ticket_id = changed.ticket_id
{% endif -%}
left join first_contacts
    on summed.source = first_contacts.source and summed.ticket_id = first_contacts.ticket_id
-- The days that are read together lie together, as if built day by day.
order by summed.service_date
