{% macro known(moment, version_at) -%}
    case when {{ moment }} < {{ as_of() }} and ({{ moment }} > {{ version_at }}) is not true then {{ moment }} end
{%- endmacro %}
