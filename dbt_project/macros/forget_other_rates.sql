{% macro forget_other_rates(dated) -%}
    {%- if is_incremental() -%}
    with gone as (
        delete from {{ this }} as used
        where not exists (
            select from {{ dated }} as dated
            where
                dated.from_currency = used.from_currency
                and dated.valid_from = used.valid_from
                and dated.valid_before is not distinct from used.valid_before
                and dated.rate = used.rate
        )
        returning used.*
    )

    insert into ops.removed_keys (run_id, kind, key)
    select {{ run_id() }}, 'rate', jsonb_build_array(from_currency, valid_from, valid_before) from gone
    on conflict do nothing
    {%- endif -%}
{%- endmacro %}
