{{ config(
    materialized='incremental',
    tags=['as_of'],
    pre_hook="{% if is_incremental() -%}
    delete from {{ this }} where service_date >= (select first_day from {{ ref('int_changed_service_since') }})
    {%- endif %}",
    indexes=[{'columns': ['service_date']}, {'columns': ['run_id']}],
) }}

{%- set last_day = "cast((" ~ as_of() ~ " - interval '1 microsecond') at time zone 'UTC' as date)" -%}
{%- set stocks = ['backlog', 'over_1_day', 'over_7_days', 'over_30_days', 'opened_day'] -%}
{%- set of_the_day = [
    'opened', 'solved', 'reopened', 'replied', 'resolved', 'one_touch_known', 'one_touch', 'first_contact_known',
    'first_contact', 'first_reply_minutes', 'first_reply_minutes_known', 'median_first_reply_minutes',
    'first_reply_business_minutes', 'first_reply_business_minutes_known', 'median_first_reply_business_minutes',
    'first_reply_promised', 'first_reply_in_time', 'resolution_minutes', 'resolution_minutes_known',
    'median_resolution_minutes', 'resolution_business_minutes', 'resolution_business_minutes_known',
    'median_resolution_business_minutes', 'resolution_promised', 'resolution_in_time',
] %}

with since as (
    select * from {{ ref('int_changed_service_since') }}
),

-- What was waiting in each group on the eve of the first day that is told; nothing happened then that counts.
changes as (
    select
        service_days.source,
        service_days.channel,
        service_days.category,
        service_days.team,
        {% for column in stocks + of_the_day -%}
        service_days.{{ column }},
        {% endfor -%}
        since.first_day,
        service_days.service_date
    from {{ ref('int_service_days') }} as service_days
    inner join since on service_days.service_date >= since.first_day
    where service_days.service_date <= {{ last_day }}
    union all
    select
        service_days.source,
        service_days.channel,
        service_days.category,
        service_days.team,
        {% for stock in stocks -%}
        sum(service_days.{{ stock }}) as {{ stock }},
        {% endfor -%}
        {% for column in of_the_day -%}
        null as {{ column }},
        {% endfor -%}
        since.first_day,
        since.first_day - 1 as service_date
    from {{ ref('int_service_days') }} as service_days
    inner join since on service_days.service_date < since.first_day
    where service_days.service_date <= {{ last_day }}
    group by
        service_days.source, service_days.channel, service_days.category, service_days.team, since.first_day
),

running as (
    select
        *,
        {% for stock in stocks -%}
        sum({{ stock }}) over days_of_group as {{ stock }}_running,
        {% endfor -%}
        lead(service_date) over days_of_group as next_date
    from changes
    window days_of_group as (partition by source, channel, category, team order by service_date)
),

-- A day without changes is a row as long as tickets are waiting.
spans as (
    select
        *,
        greatest(first_day, service_date) as told_from,
        case
            when backlog_running > 0 then coalesce(next_date - 1, {{ last_day }})
            else service_date
        end as told_to
    from running
),

days as (
    select
        spans.*,
        spans.told_from + days_later as day,
        spans.told_from + days_later = spans.service_date as is_of_the_day
    from spans
    cross join generate_series(0, spans.told_to - spans.told_from) as days_later
    where spans.told_from <= spans.told_to
)

select
    day as service_date,
    source,
    channel,
    category,
    team,
    {% for count in ['opened', 'solved', 'reopened'] -%}
    case when is_of_the_day then {{ count }} else 0 end as {{ count }}_count,
    {% endfor -%}
    cast(backlog_running as bigint) as backlog_count,
    cast(over_1_day_running as bigint) as backlog_over_1_day_count,
    cast(over_7_days_running as bigint) as backlog_over_7_days_count,
    cast(over_30_days_running as bigint) as backlog_over_30_days_count,
    case
        when backlog_running > 0
            then trim_scale(round(day - date '2000-01-01' - opened_day_running / backlog_running, 2))
    end as backlog_average_age_days,
    {% for what, count in {'first_reply': 'replied', 'resolution': 'resolved'}.items() -%}
    case when is_of_the_day then {{ count }} else 0 end as {{ count }}_count,
    {% for minutes in [what ~ '_minutes', what ~ '_business_minutes'] -%}
    case when is_of_the_day then {{ minutes }}_known else 0 end as {{ minutes }}_count,
    case when is_of_the_day then {{ minutes }} end as total_{{ minutes }},
    case when is_of_the_day then median_{{ minutes }} end as median_{{ minutes }},
    {% endfor -%}
    case when is_of_the_day then {{ what }}_promised else 0 end as {{ what }}_promised_count,
    case when is_of_the_day then {{ what }}_in_time else 0 end as {{ what }}_in_time_count,
    {% endfor -%}
    case when is_of_the_day then one_touch_known else 0 end as one_touch_known_count,
    case when is_of_the_day then one_touch else 0 end as one_touch_count,
    case
        when day + 1 + {{ var('first_contact_days') }} <= cast({{ as_of() }} at time zone 'UTC' as date)
            then case when is_of_the_day then first_contact_known else 0 end
    end as first_contact_known_count,
    case
        when day + 1 + {{ var('first_contact_days') }} <= cast({{ as_of() }} at time zone 'UTC' as date)
            then case when is_of_the_day then first_contact else 0 end
    end as first_contact_resolved_count,
    {{ run_id() }} as run_id
from days
