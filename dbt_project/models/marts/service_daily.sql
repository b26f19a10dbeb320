{{ config(tags=['as_of'], indexes=[{'columns': ['service_date']}]) }}

{%- set last_day = "cast((" ~ as_of() ~ " - interval '1 microsecond') at time zone 'UTC' as date)" -%}
{%- set stocks = ['backlog', 'over_1_day', 'over_7_days', 'over_30_days', 'opened_day'] %}

with changes as (
    select * from {{ ref('int_service_days') }}
    where service_date <= {{ last_day }}
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
days as (
    select
        running.*,
        running.service_date + days_later as day,
        days_later = 0 as is_of_the_day
    from running
    cross join generate_series(
        0,
        case
            when running.backlog_running > 0
                then coalesce(running.next_date - 1, {{ last_day }}) - running.service_date
            else 0
        end
    ) as days_later
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
    end as first_contact_resolved_count
from days
