{{ config(tags=['since']) }}

select distinct
    kind,
    key
from {{ source('ops', 'removed_keys') }}
where {{ written_since() }}
