{{ config(
    materialized='incremental',
    pre_hook="{{ forget(ref('int_changed_customers'), ['customer_id']) }}",
    indexes=[{'columns': ['customer_id'], 'unique': true}],
) }}

{%- set theirs = 'customer_id is not null' -%}
{%- if is_incremental() -%}
{%- set theirs = among(['customer_id'], ref('int_changed_customers')) -%}
{%- endif %}

with tickets as (
    select * from {{ ref('int_tickets_enriched') }}
    where {{ theirs }}
)

select
    customer_id,
    count(*) as ticket_count,
    count(*) filter (where is_open) as open_ticket_count,
    -- Where the source tells no states, its own count is what there is.
    count(*) filter (where coalesce(reopening_count, reopen_count) > 0) as reopened_ticket_count,
    max(coalesce(opened_at, updated_at)) as last_ticket_at,
    {{ run_id() }} as run_id
from tickets
group by customer_id
