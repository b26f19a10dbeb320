{% macro written_since() -%}
    run_id > {{ var('since_run_id') if var('since_run_id') is not none else 'null' }}
{%- endmacro %}
