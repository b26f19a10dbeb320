{{ config(tags=['since']) }}

-- The stream is among the partitions, so that a reader who asks for one leaves the others alone.
{% for stream in identity_streams() %}
{% set name = "cast('" ~ stream.name ~ "' as text)" %}
{% set has_contact = stream.name in ('contacts', 'deals') %}
select
    {{ name }} as stream,
    source,
    {{ stream.key }} as record_id,
    {{ cleaned('customer_number') }} as customer_number,
    {{ email_address('email') }} as email,
    {{ cleaned('phone') }} as phone,
    {{ cleaned('contact_id') if has_contact else 'cast(null as text)' }} as contact_id,
    {{ cleaned('anonymous_id') }} as anonymous_id,
    {{ stream.seen_at }} as seen_at,
    batch_id,
    is_deleted,
    {% if stream.get('append') -%}
    true as is_newest,
    {%- elif stream.name == 'order_lines' -%}
    case
        when mode = 'replace_order'
            then batch_id = max(batch_id) filter (where mode = 'replace_order') over (
                partition by {{ name }}, source, order_id
            )
        when line_id is not null
            then row_number() over (
                partition by {{ name }}, source, order_id, line_id, mode = 'replace_order'
                order by batch_id desc, line_number desc
            ) = 1
        else true
    end as is_newest,
    {%- else -%}
    {{ recency([name, stream.key], stream.get('versions', [])) }} = 1 as is_newest,
    {%- endif %}
    {{ newly_seen(stream.name) if stream.get('append') else 'cast(null as boolean)' }} as is_newly_seen
from {{ source('raw', stream.name) }}
where {{ visible(stream.event_at, stream.get('version_at')) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
