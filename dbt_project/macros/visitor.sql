{% macro visitor() -%}
    case
        when anonymous_id is not null then {{ dbt.concat(["'device:'", "anonymous_id"]) }}
        when customer_id is not null then {{ dbt.concat(["'customer:'", "customer_id"]) }}
    end
{%- endmacro %}
