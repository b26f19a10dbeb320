{{ config(indexes=[{'columns': ['customer_id'], 'unique': true}]) }}

with lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where customer_id is not null and quantity > 0 and coalesce(line_kind, 'product') = 'product'
),

purchases as (
    select
        customer_id,
        source,
        product_id,
        category,
        max(product_name) as product_name,
        count(*) as line_count,
        sum(quantity) as quantity
    from lines
    group by customer_id, source, product_id, category
),

products as (
    select distinct on (customer_id)
        customer_id,
        coalesce(max(product_name), product_id) as favourite_product
    from purchases
    where product_id is not null
    group by customer_id, source, product_id
    order by customer_id, sum(line_count) desc, sum(quantity) desc, source, product_id
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

select * from favourites
