with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'rate'
),

rates as (
    select * from {{ ref('int_exchange_rates_used') }}
    where {{ written_since() }}
),

changed as (
    select
        key ->> 0 as currency,
        cast(key ->> 1 as date) as valid_from,
        cast(key ->> 2 as date) as valid_before
    from removed
    union
    select
        from_currency as currency,
        valid_from,
        valid_before
    from rates
)

select * from changed
