select
    email,
    normal_form
from {{ source('identity', 'email_forms') }}
