{{ config(tags=['as_of'], indexes=[{'columns': ['calendar', 'opens_at'], 'unique': true}]) }}

{%- set first = "cast('" ~ var('business_calendar_from') ~ " 00:00:00+00' as timestamptz)" -%}
{%- set last = as_of() ~ " + interval '48 hours'" %}

with calendars as (
    select * from {{ service_hours('calendars', 'calendar text, time_zone text') }}
),

openings as (
    select *
    from {{ service_hours('openings', 'calendar text, weekday int, opens_minute int, closes_minute int') }}
),

holidays as (
    select * from {{ service_hours('holidays', 'calendar text, holiday_date date') }}
),

days as (
    select
        calendars.calendar,
        calendars.time_zone,
        moment,
        moment - interval '24 hours' as day_before,
        (moment at time zone calendars.time_zone) - (moment at time zone 'UTC') as utc_offset
    from calendars
    cross join generate_series({{ first }}, {{ last }}, interval '24 hours') as moment
),

compared as (
    select
        *,
        lag(utc_offset) over (partition by calendar order by moment) as previous_offset
    from days
),

-- The minute in which a clock was changed lies in the 24 hours before the first day that shows it.
changed as (
    select
        compared.calendar,
        compared.utc_offset,
        coalesce(turned.turned_at, compared.moment) as began_at
    from compared
    left join lateral (
        select min(minute) as turned_at
        from generate_series(compared.day_before, compared.moment, interval '1 minute') as minute
        where
            compared.previous_offset is not null
            and (minute at time zone compared.time_zone) - (minute at time zone 'UTC') = compared.utc_offset
    ) as turned on true
    where compared.utc_offset is distinct from compared.previous_offset
),

clocks as (
    select
        *,
        lead(began_at, 1, {{ last }}) over (partition by calendar order by began_at) as ended_at
    from changed
),

local_days as (
    select
        clocks.*,
        cast(local_day as date) as local_date,
        (local_day at time zone 'UTC') - clocks.utc_offset as midnight
    from clocks
    cross join generate_series(
        date_trunc('day', (clocks.began_at at time zone 'UTC') + clocks.utc_offset),
        (clocks.ended_at at time zone 'UTC') + clocks.utc_offset,
        interval '1 day'
    ) as local_day
),

-- What the wall clock shows counts: an hour that a clock skips is no hour, one that it repeats is two.
open_ranges as (
    select
        local_days.calendar,
        tstzrange(
            local_days.midnight + openings.opens_minute * interval '1 minute',
            local_days.midnight + openings.closes_minute * interval '1 minute'
        ) * tstzrange(local_days.began_at, local_days.ended_at) as open_range
    from local_days
    inner join openings
        on
            local_days.calendar = openings.calendar
            and extract(isodow from local_days.local_date) = openings.weekday
    left join holidays
        on local_days.calendar = holidays.calendar and local_days.local_date = holidays.holiday_date
    where holidays.calendar is null
),

-- A multirange, because spans may touch or overlap.
united as (
    select
        calendar,
        unnest(range_agg(open_range)) as open_range
    from open_ranges
    where not isempty(open_range)
    group by calendar
),

counted as (
    select
        calendar,
        lower(open_range) as opens_at,
        upper(open_range) as closes_at,
        coalesce(sum(extract(epoch from upper(open_range) - lower(open_range))) over (
            partition by calendar
            order by lower(open_range)
            rows between unbounded preceding and 1 preceding
        ), 0) as seconds_before
    from united
)

select * from counted
