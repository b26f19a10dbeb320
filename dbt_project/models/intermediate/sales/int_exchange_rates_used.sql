{{ config(
    materialized='incremental',
    pre_hook="{{ forget_other_rates(ref('int_exchange_rates_dated')) }}",
    indexes=[{'columns': ['from_currency', 'valid_from'], 'unique': true}],
) }}

with dated as (
    select * from {{ ref('int_exchange_rates_dated') }}
)

select
    dated.from_currency,
    dated.rate,
    dated.valid_from,
    dated.valid_before,
    {{ run_id() }} as run_id
from dated
{% if is_incremental() -%}
left join {{ this }} as used
    on dated.from_currency = used.from_currency and dated.valid_from = used.valid_from
where used.from_currency is null
{%- endif %}
