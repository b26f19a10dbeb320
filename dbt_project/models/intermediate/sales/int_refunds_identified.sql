{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_refunds'), ['source', 'refund_id'], owner='customer_id') }}",
    indexes=[
        {'columns': ['refund_id', 'source'], 'unique': true},
        {'columns': ['order_id', 'source']},
        {'columns': ['customer_id']},
        {'columns': ['run_id']},
    ],
) }}

with changed as (
    select * from {{ ref('int_changed_refunds') }}
),

refunds as (
    select * from {{ ref('stg_refunds') }}
    {% if is_incremental() -%}
    where {{ among(['source', 'refund_id'], 'changed') }}
    {%- endif %}
)

select
    refunds.source,
    refunds.refund_id,
    refunds.order_id,
    {{ customer_of() }} as customer_id,
    refunds.customer_number,
    refunds.email,
    refunds.phone,
    refunds.anonymous_id,
    refunds.product_id,
    refunds.kind,
    refunds.currency,
    refunds.quantity,
    refunds.amount,
    refunds.refunded_at,
    {{ run_id() }} as run_id
from refunds
{% if is_incremental() -%}
inner join changed on refunds.source = changed.source and refunds.refund_id = changed.refund_id
{%- endif %}
{{ join_customers('refunds') }}
