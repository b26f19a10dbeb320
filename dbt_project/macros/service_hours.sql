{% macro service_hours(list, columns) -%}
    jsonb_to_recordset(cast('{{ tojson(var("service_hours")[list]) | replace("'", "''") }}' as jsonb)) as {{ list }} ({{ columns }})
{%- endmacro %}
