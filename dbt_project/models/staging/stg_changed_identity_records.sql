{{ config(tags=['since']) }}

{% for stream in identity_streams(append=false) %}
select distinct
    '{{ stream.name }}' as stream,
    source,
    {{ stream.key }} as record_id
from {{ source('raw', stream.name) }}
where {{ newly_seen(stream.name) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
