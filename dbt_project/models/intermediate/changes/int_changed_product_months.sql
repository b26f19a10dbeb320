with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'line'
),

lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where {{ written_since() }}
),

rates as (
    select * from {{ ref('int_changed_rates') }}
),

changed as (
    select
        key ->> 1 as source,
        key ->> 2 as product_id,
        cast(key ->> 4 as date) as month
    from removed
    union
    select
        source,
        product_id,
        {{ month_of('ordered_at') }} as month
    from lines
    {% if var('since_run_id') is not none -%}
    union
    select
        months.source,
        months.product_id,
        months.month
    from {{ previous('int_product_months') }} as months
    inner join rates
        on
            months.currency = rates.currency
            and cast(months.month + interval '1 month' as date) > rates.valid_from
            and (months.month < rates.valid_before or rates.valid_before is null)
    {%- endif %}
)

select * from changed
where product_id is not null
