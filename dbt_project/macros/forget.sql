{% macro forget(changed, key, owner=none) -%}
    {%- if is_incremental() -%}
    with gone as (
        delete from {{ this }} as facts using {{ changed }} as changed
        where
            {%- for column in key %}
            {{ 'and ' if not loop.first }}facts.{{ column }} = changed.{{ column }}
            {%- endfor %}
        returning {{ 'facts.' ~ owner if owner else 'null' }} as customer_id
    )

    {% if owner -%}
    insert into ops.removed_facts (run_id, customer_id)
    select distinct {{ run_id() }}, customer_id from gone
    where customer_id is not null
    on conflict do nothing
    {%- else -%}
    select count(*) from gone
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}
