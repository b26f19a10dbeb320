{% macro day_of(moment) -%}
    to_char({{ moment }} at time zone 'UTC', 'YYYY-MM-DD')
{%- endmacro %}
