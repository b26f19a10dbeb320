{% macro business_seconds(moment, calendar) -%}
    case
        when {{ moment }} >= cast('{{ var("business_calendar_from") }} 00:00:00+00' as timestamptz) then coalesce((
            select hours.seconds_before + extract(epoch from least(hours.closes_at, {{ moment }}) - hours.opens_at)
            from {{ ref('int_business_hours') }} as hours
            where hours.calendar = {{ calendar }} and hours.opens_at <= {{ moment }}
            order by hours.opens_at desc
            limit 1
        ), 0)
    end
{%- endmacro %}
