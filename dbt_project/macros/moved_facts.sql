{% macro moved_facts(facts, key, identifiers) -%}
    -- What a run that was broken off has moved is where it belongs, and what is built on it may not be.
    select {{ key | join(', ') }} from {{ facts }}
    where {{ written_since() }}
    union
    select {{ key | join(', ') }} from {{ facts }}
    where customer_id = any(array(
        select distinct old_customer_id from {{ ref('stg_identifier_changes') }}
        where old_customer_id is not null
    ))
    {%- for kind, column in identifiers.items() %}
    union
    select {% for name in key %}facts.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ facts }} as facts
    inner join {{ ref('stg_identifier_changes') }} as moved on facts.{{ column }} = moved.value
    where
        moved.kind = '{{ kind }}'
        {%- if kind == 'device' %}
        and facts.customer_id is null
        {%- endif %}
        and moved.old_customer_id is null
        and moved.first_batch_id <= {{ var('since_batch_id') }}
        {%- if kind in ('customer_number', 'contact') %}
        and facts.source = moved.source
        {%- endif %}
    {%- endfor %}
{%- endmacro %}
