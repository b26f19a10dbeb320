{% macro should_full_refresh() %}
    {%- do return(flags.FULL_REFRESH or var('since_run_id') is none) -%}
{% endmacro %}
