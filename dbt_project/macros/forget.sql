{% macro forget(changed, key, owner=none, remember={}, from_time={}, is_probed=false) -%}
    {%- if is_incremental() -%}
    with gone as (
        delete from {{ this }} as facts using {{ changed }} as changed
        where
            {%- for column in key %}
            {{ 'and ' if not loop.first }}facts.{{ column }} = changed.{{ column }}
            {%- endfor %}
            {%- for column, moment in from_time.items() %}
            and facts.{{ column }} >= changed.{{ moment }}
            {%- endfor %}
        returning facts.*
    )
    {%- for kind, columns in remember.items() -%}
    ,

    remembered_{{ kind }} as (
        insert into ops.removed_keys (run_id, kind, key)
        select distinct {{ run_id() }}, '{{ kind }}', jsonb_build_array({{ columns | join(', ') }}) from gone
        on conflict do nothing
    )
    {%- endfor %}

    {% if owner -%}
    insert into ops.removed_facts (run_id, customer_id)
    select distinct {{ run_id() }}, {{ owner }} from gone
    where {{ owner }} is not null
    on conflict do nothing
    {%- else -%}
    select count(*) from gone
    {%- endif -%}
    {%- if not is_probed -%}
    ;

    select set_config('enable_nestloop', 'off', true)
    from {{ changed }}
    having count(*) > 1000
    {%- endif -%}
    {%- endif -%}
{%- endmacro %}
