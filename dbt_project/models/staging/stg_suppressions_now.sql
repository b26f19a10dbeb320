-- Without a CTE, because PostgreSQL joins by index only what it can take apart.
select
    recipients.email,
    suppressions.topic,
    suppressions.reason,
    suppressions.detail,
    suppressions.suppressed_at
from {{ source('activation', 'recipients') }} as recipients
inner join {{ source('activation', 'suppressions') }} as suppressions
    on recipients.recipient_key = suppressions.recipient_key
where recipients.email is not null
