with deals as (
    select * from {{ ref('stg_deals') }}
),

rates as (
    select * from {{ ref('int_exchange_rates_dated') }}
),

-- An open deal is worth what it would bring on the day of its last version.
converted as (
    select
        {{ company_key('deals') }} as company_key,
        deals.status,
        case
            when deals.currency = '{{ var("reporting_currency") }}' then deals.amount
            else deals.amount * rates.rate
        end as reporting_amount
    from deals
    left join rates
        on
            deals.currency = rates.from_currency
            and (deals.updated_at at time zone 'UTC')::date >= rates.valid_from
            and (
                rates.valid_before is null
                or (deals.updated_at at time zone 'UTC')::date < rates.valid_before
            )
),

summed as (
    select
        company_key,
        count(*) filter (where status = 'open') as open_deal_count,
        count(*) filter (where status = 'won') as won_deal_count,
        count(*) filter (where status = 'lost') as lost_deal_count,
        case
            when bool_and(reporting_amount is not null) filter (where status = 'open') is not false
                then coalesce(sum(reporting_amount) filter (where status = 'open'), 0)
        end as open_deal_amount,
        case
            when bool_and(reporting_amount is not null) filter (where status = 'won') is not false
                then coalesce(sum(reporting_amount) filter (where status = 'won'), 0)
        end as won_deal_amount
    from converted
    where company_key is not null
    group by company_key
)

select * from summed
