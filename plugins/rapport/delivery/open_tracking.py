"""Who may be seen opening a mail: only who has consented to that, by a topic of its own."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from rapport.delivery.configuration import Delivery


def who_may_be_seen(
    connection: psycopg.Connection, delivery: Delivery, recipient_keys: Sequence[str], now: datetime
) -> set[str]:
    """The recipients whose opens may be tracked: valid consent for the topic, and nothing withdrawn since.

    Empty where config/delivery.yml names no sendgrid.open_tracking_topic.
    """
    topic = delivery.sendgrid.open_tracking_topic
    if topic is None or delivery.transport != "sendgrid":
        return set()
    is_double = topic in delivery.topics and delivery.topics[topic].double_opt_in
    rows = connection.execute(
        """
        select recipients.recipient_key
        from activation.recipients
        inner join marts.consents
            on
                recipients.email = consents.email
                and consents.channel = 'email'
                and consents.topic = %(topic)s
        where
            recipients.recipient_key = any(%(keys)s)
            and consents.is_granted
            and (consents.confirmed_at is not null or not %(double)s)
            and (consents.expires_at <= %(now)s) is not true
            and not exists (
                select from activation.suppressions
                where
                    suppressions.recipient_key = recipients.recipient_key
                    and suppressions.topic in (%(topic)s, 'all')
                    and (consents.confirmed_at > suppressions.suppressed_at) is not true
            )
        """,
        {"topic": topic, "keys": list(recipient_keys), "double": is_double, "now": now},
    ).fetchall()
    return {key for (key,) in rows}
