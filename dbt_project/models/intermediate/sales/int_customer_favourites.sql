{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id'], is_probed=true) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

with changed as (
    select * from {{ ref('int_changed_customers') }}
),

purchases as (
    select purchases.* from {{ ref('int_customer_products') }} as purchases
    {% if is_incremental() -%}
    inner join changed on purchases.customer_id = changed.customer_id
    {%- endif %}
),

products as (
    select distinct on (customer_id)
        customer_id,
        coalesce(max(product_name), product_key) as favourite_product
    from purchases
    where product_key <> ''
    group by customer_id, source, product_key
    order by customer_id, sum(line_count) desc, sum(quantity) desc, source, product_key
),

categories as (
    select distinct on (customer_id)
        customer_id,
        category as favourite_category
    from purchases
    where category is not null
    group by customer_id, category
    order by customer_id, sum(line_count) desc, sum(quantity) desc, category
),

favourites as (
    select
        coalesce(products.customer_id, categories.customer_id) as customer_id,
        categories.favourite_category,
        products.favourite_product
    from products
    full join categories on products.customer_id = categories.customer_id
)

select
    *,
    {{ run_id() }} as run_id
from favourites
