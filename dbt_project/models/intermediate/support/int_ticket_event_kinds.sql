{{ config(
    materialized='incremental',
    indexes=[{'columns': ['source', 'kind'], 'unique': true}],
) }}

with events as (
    select * from {{ ref('int_ticket_events') }}
    {% if is_incremental() -%}
    where {{ written_since() }}
    {%- endif %}
),

kinds as (
    select distinct
        source,
        kind
    from events
    {% if is_incremental() -%}
    except
    select
        source,
        kind
    from {{ this }}
    {%- endif %}
)

select
    source,
    kind,
    {{ run_id() }} as run_id
from kinds
