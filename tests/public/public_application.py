"""A running public application on a warehouse of the test's own."""

from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from rapport.audiences.recipients import RecipientKey
from rapport.delivery.configuration import Sender, Topic
from rapport.delivery.unsubscribe import UnsubscribeKeys, unsubscribe_token
from rapport.public.app import Site
from rapport.public.webhook import WebhookKeys

KEY = RecipientKey(b"0123456789abcdef0123456789abcdef", "RAPPORT_RECIPIENT_KEY")
SENDER = Sender(
    name="Small Shop",
    address="hello@small.example",
    reply_to="care@small.example",
    postal_address="1 High Street, Bath",
    website="https://small.example",
    unsubscribe_url="https://news.small.example/u",
    unsubscribe_address="stop@small.example",
)


@dataclass
class Public:
    """A running application: `client` speaks to it, `owner` sees what it did to the database."""

    client: httpx.Client
    owner: psycopg.Connection
    url: str

    def token(self, email: str = "anna@mail.example", topic: str = "news") -> str:
        return unsubscribe_token(KEY.secret, KEY.key_of(email), topic)

    def suppressions(self) -> list[tuple[Any, ...]]:
        return self.owner.execute(
            "select recipient_key, topic, reason from activation.suppressions order by 1, 2, 3"
        ).fetchall()

    def bodies(self) -> list[bytes]:
        rows = self.owner.execute("select body from activation.webhook_bodies order by body_id").fetchall()
        return [body for (body,) in rows]


def site(*webhook_keys: str) -> Site:
    """The small shop's pages."""
    return Site(
        sender=SENDER,
        topics={"news": Topic(title="New teas")},
        unsubscribe_keys=UnsubscribeKeys((KEY.secret,)),
        webhook_keys=WebhookKeys.parse(webhook_keys),
    )
