with removed as (
    select * from {{ ref('stg_removed_keys') }}
    where kind = 'return'
),

returns as (
    select * from {{ ref('int_returns_combined') }}
    where {{ written_since() }}
),

changed as (
    select
        key ->> 0 as source,
        key ->> 1 as return_key
    from removed
    union
    select
        source,
        return_key
    from returns
)

select * from changed
