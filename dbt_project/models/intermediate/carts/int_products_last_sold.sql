with sold_lines as (
    select * from {{ ref('int_order_lines_identified') }}
    where quantity > 0 and product_id is not null
)

select distinct on (product_id)
    product_id,
    product_name,
    unit_price,
    currency
from sold_lines
order by product_id, product_name is null, ordered_at desc, source, order_id, batch_id desc, line_number desc
