{% macro lifecycle_stage(orders) -%}
    case
        when coalesce({{ orders }}.order_count, 0) = 0 then 'prospect'
        when {{ orders }}.last_order_at < {{ before_as_of(days=var('lapsed_days')) }} then 'lapsed'
        when {{ orders }}.last_order_at < {{ before_as_of(days=var('active_days')) }} then 'at_risk'
        when {{ orders }}.first_order_at >= {{ before_as_of(days=var('new_customer_days')) }} then 'new'
        when
            {{ orders }}.last_order_at - {{ orders }}.previous_order_at
            > interval '{{ 24 * var("lapsed_days") }} hours'
            then 'returned'
        else 'active'
    end
{%- endmacro %}
