{% macro recency(key, versions=[]) -%}
    row_number() over (
        partition by source, {{ key | join(', ') }}
        order by
            {% for version in versions -%}
            case when mode <> 'snapshot' then {{ version }} end desc nulls last,
            {% endfor -%}
            coalesce(delivered_as, batch_id) desc,
            line_number desc
    )
{%- endmacro %}
