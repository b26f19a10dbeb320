{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_products'), ['source', 'product_id']) }}",
) }}

with months as (
    select months.* from {{ ref('int_product_months') }} as months
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_products') }} as changed
        on months.source = changed.source and months.product_id = changed.product_id
    {%- endif %}
),

customer_products as (
    select distinct
        bought.source,
        bought.product_key as product_id,
        bought.customer_id
    from {{ ref('int_customer_products') }} as bought
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_products') }} as changed
        on bought.source = changed.source and bought.product_key = changed.product_id
    {%- endif %}
),

returns as (
    select
        returns.*,
        {{ reporting_amount(
            'returns.amount', 'returns.currency', 'coalesce(orders.ordered_at, returns.returned_at)'
        ) }} as reporting_amount
    from {{ ref('int_returns_combined') }} as returns
    {% if is_incremental() -%}
    inner join {{ ref('int_changed_products') }} as changed
        on returns.source = changed.source and returns.product_id = changed.product_id
    {%- endif %}
    left join {{ ref('int_orders_summed') }} as orders
        on
            returns.source = orders.source
            -- Nobody is looked up where no rate is asked for.
            and case
                when returns.currency <> '{{ var("reporting_currency") }}' then returns.tied_order_id
            end = orders.order_id
    where returns.has_goods and returns.is_counted and returns.product_id is not null
),

sold as (
    select
        source,
        product_id,
        cast(sum(line_count) as bigint) as line_count,
        sum(quantity) as quantity,
        case when bool_and(reporting_amount is not null) then sum(reporting_amount) end as gross_revenue,
        min(first_sold_at) as first_sold_at,
        max(last_sold_at) as last_sold_at,
        max(month) filter (where product_name is not null) as last_product_name_month,
        max(month) filter (where category is not null) as last_category_month
    from months
    group by source, product_id
),

returned as (
    select
        source,
        product_id,
        coalesce(sum(quantity), 0) as returned_quantity,
        case when bool_and(reporting_amount is not null) then sum(reporting_amount) end as returned_amount
    from returns
    group by source, product_id
),

buyers as (
    select
        source,
        product_id,
        count(*) as customer_count
    from customer_products
    group by source, product_id
)

select
    sold.source,
    sold.product_id,
    sold.source || ':' || sold.product_id as product_key,
    {% for column in ['product_name', 'category'] -%}
    -- Looked up: sorting all months for the last of each product costs more.
    (
        select months.{{ column }} from {{ ref('int_product_months') }} as months
        where
            months.source = sold.source
            and months.product_id = sold.product_id
            and months.month = sold.last_{{ column }}_month
            and months.{{ column }} is not null
        order by months.last_sold_at desc, months.currency
        limit 1
    ) as {{ column }},
    {% endfor -%}
    sold.line_count,
    sold.quantity,
    coalesce(buyers.customer_count, 0) as customer_count,
    sold.gross_revenue,
    case when returned.product_id is null then 0 else returned.returned_amount end as returned_amount,
    sold.gross_revenue
    + case when returned.product_id is null then 0 else returned.returned_amount end as net_revenue,
    cast('{{ var("reporting_currency") }}' as text) as reporting_currency,
    coalesce(returned.returned_quantity, 0) as returned_quantity,
    coalesce(returned.returned_quantity, 0) / sold.quantity as return_rate,
    sold.first_sold_at,
    sold.last_sold_at,
    {{ run_id() }} as run_id
from sold
left join returned on sold.source = returned.source and sold.product_id = returned.product_id
left join buyers on sold.source = buyers.source and sold.product_id = buyers.product_id
