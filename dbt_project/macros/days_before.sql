{% macro days_before(moment) -%}
    (
        select case when days = 1 then '1 day' else days || ' days' end || ' before'
        from (
            select
                cast({{ as_of() }} at time zone 'UTC' as date) - cast({{ moment }} at time zone 'UTC' as date) as days
        ) as counted
    )
{%- endmacro %}
