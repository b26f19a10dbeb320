with changed as (
    {{ changed_with_returns('int_return_lines_tied', {'order_id': 2, 'tied_order_id': 3}) | indent(4) }}
)

select * from changed
where order_id is not null
