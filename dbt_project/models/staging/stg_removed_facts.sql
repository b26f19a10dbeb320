{{ config(tags=['since']) }}

select distinct customer_id
from {{ source('ops', 'removed_facts') }}
where {{ written_since() }}
