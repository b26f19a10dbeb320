{{ config(materialized='view') }}

-- As it is now, and not as of the run: an address that says no is not written to from that moment on.
select
    email,
    topic,
    reason,
    detail,
    suppressed_at
from {{ ref('stg_suppressions_now') }}
