{% macro analyze_what_changed() -%}
    {%- if model.config.materialized != 'view' -%}
    do $analyze$
    begin
        if (
            select
                reltuples < 0
                -- A row that is told again is taken away and inserted.
                or greatest(pg_stat_get_xact_tuples_inserted(oid), pg_stat_get_xact_tuples_deleted(oid))
                > 0.1 * reltuples
            from pg_class
            where oid = '{{ this }}'::regclass
        ) then
            analyze {{ this }};
        end if;
    end
    $analyze$
    {%- endif -%}
{%- endmacro %}
