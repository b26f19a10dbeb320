{#- percent_rank() and not ntile(): customers who are equal score equal. -#}
{% macro quintile(measure) -%}
    least(5, 1 + floor(5 * percent_rank() over (order by {{ measure }})))::integer
{%- endmacro %}
