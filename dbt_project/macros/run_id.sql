{% macro run_id() -%}
    cast({{ var('run_id') if var('run_id') is not none else 'null' }} as bigint)
{%- endmacro %}
