{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_returns'), ['source', 'return_key'], remember={
        'return_day': [day_of('returned_at')],
    }) }}",
) }}

with changed as (
    select * from {{ ref('int_changed_returns') }}
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    {% if is_incremental() -%}
    where return_key = any(array(select changed.return_key from changed))
    {%- endif %}
)

select
    returns.source,
    returns.return_key,
    returns.origin,
    returns.kind,
    returns.order_id,
    returns.tied_order_id,
    returns.source || ':' || returns.tied_order_id as tied_order_key,
    returns.customer_id,
    returns.returned_at,
    returns.product_id,
    returns.has_goods,
    returns.is_counted,
    returns.currency,
    returns.quantity,
    returns.amount,
    returns.stated_amount,
    {{ run_id() }} as run_id
from returns
{% if is_incremental() -%}
inner join changed on returns.source = changed.source and returns.return_key = changed.return_key
{%- endif %}
