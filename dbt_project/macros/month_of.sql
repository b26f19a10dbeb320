{% macro month_of(moment) -%}
    cast(date_trunc('month', {{ moment }} at time zone 'UTC') as date)
{%- endmacro %}
