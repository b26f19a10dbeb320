{{ config(materialized='view') }}

with exchange_rates as (
    select * from {{ ref('exchange_rates') }}
),

dated as (
    select
        from_currency,
        rate,
        rate_date as valid_from,
        lead(rate_date) over (partition by from_currency order by rate_date) as valid_before
    from exchange_rates
    where to_currency = '{{ var("reporting_currency") }}' and from_currency <> to_currency
)

select * from dated
