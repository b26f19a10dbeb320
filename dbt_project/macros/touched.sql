{% macro touched(kind, facts, record_id) -%}
    {{ ref(facts) }} as facts
    {%- if is_incremental() %}
    inner join {{ ref('int_changed_touches') }} as changed
        on
            changed.kind = '{{ kind }}'
            and facts.source = changed.source
            and facts.{{ record_id }} = changed.record_id
    where
        facts.source = any(array(
            select distinct touches.source from {{ ref('int_changed_touches') }} as touches
            where touches.kind = '{{ kind }}'
        ))
        and facts.{{ record_id }} = any(array(
            select touches.record_id from {{ ref('int_changed_touches') }} as touches
            where touches.kind = '{{ kind }}'
        ))
    {%- else %}
    where true
    {%- endif %}
{%- endmacro %}
