{% macro minutes_between(earlier, later) -%}
    case when {{ later }} >= {{ earlier }} then round(extract(epoch from {{ later }} - {{ earlier }}) / 60, 2) end
{%- endmacro %}
