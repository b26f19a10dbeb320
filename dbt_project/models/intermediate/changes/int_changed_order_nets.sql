with changed as (
    {{ changed_with_returns('int_returns_combined', {'tied_order_id': 3}) | indent(4) }}
)

select * from changed
where order_id is not null
