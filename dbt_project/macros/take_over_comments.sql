{% macro take_over_comments() -%}
    do $comments$
    declare
        shared record;
    begin
        for shared in
            select
                shown.attname as column_name,
                col_description(mart.attrelid, mart.attnum) as meaning
            from pg_attribute as shown
            inner join pg_attribute as mart
                on shown.attname = mart.attname and mart.attrelid = '{{ this.incorporate(path={"schema": this.schema | replace("reporting", "marts")}) }}'::regclass
            where shown.attrelid = '{{ this }}'::regclass and shown.attnum > 0
        loop
            execute format('comment on column {{ this }}.%I is %L', shared.column_name, shared.meaning);
        end loop;
    end
    $comments$
{%- endmacro %}
