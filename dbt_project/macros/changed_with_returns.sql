{% macro changed_with_returns(returns, places) -%}
    select
        source,
        order_id
    from {{ ref('int_changed_orders') }}
    {% for column, place in places.items() -%}
    union
    select
        key ->> 0 as source,
        key ->> {{ place }} as order_id
    from {{ ref('stg_removed_keys') }}
    where kind = 'return'
    union
    select
        source,
        {{ column }} as order_id
    from {{ ref(returns) }}
    where {{ written_since() }}
    {% endfor %}
{%- endmacro %}
