"""What stops a campaign by itself: complaints and hard bounces, as its events tell.

Gmail reports no complaint of a person, so its addresses are left out of the share of complaints. What came
before somebody resumed the campaign does not stop it again.
"""

import psycopg

COMPLAINTS = 0.003  # of what was delivered to others than Gmail
FEWEST_COMPLAINTS = 3
BOUNCES = 0.05  # hard ones, of what was delivered or bounced
FEWEST_BOUNCES = 10

_COUNTS = """
with resumed as (
    select max(resumed_at) as resumed_at
    from activation.pauses
    where campaign = %(campaign)s and paused_by = 'rapport'
),

told as (
    select
        messages.message_id,
        messages.delivery,
        split_part(lower(recipients.email), '@', 2) not in ('gmail.com', 'googlemail.com') as tells_complaints
    from activation.messages
    inner join activation.recipients using (recipient_key)
    cross join resumed
    where
        messages.edition_id in (
            select edition_id from activation.editions
            where campaign = %(campaign)s and due_at > clock_timestamp() - interval '7 days'
        )
        and messages.delivery is not null
        and messages.claimed_at > coalesce(resumed.resumed_at, '-infinity')
)

select
    count(*) filter (where tells_complaints and delivery in ('delivered', 'complained')),
    count(*) filter (where tells_complaints and delivery = 'complained'),
    count(*) filter (where delivery in ('delivered', 'complained', 'bounced')),
    count(*) filter (
        where
            delivery = 'bounced'
            and exists (
                select from activation.message_events
                where
                    message_events.message_id = told.message_id
                    and message_events.event = 'bounced'
                    and message_events.class = 'hard'
            )
    )
from told
"""


def fault(connection: psycopg.Connection, campaign: str) -> str | None:
    """Why the campaign must not go on, from what its mails of the last week met with; None: nothing."""
    row = connection.execute(_COUNTS, {"campaign": campaign}).fetchone()
    assert row is not None
    delivered, complaints, arrived, bounces = row
    if complaints >= FEWEST_COMPLAINTS and complaints >= COMPLAINTS * delivered:
        return f"{complaints} complaints about {delivered} delivered mails"
    if bounces >= FEWEST_BOUNCES and bounces >= BOUNCES * arrived:
        return f"{bounces} of {arrived} mails bounced for good"
    return None
