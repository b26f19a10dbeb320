"""Whether SendGrid was seen to deliver batched mails as they should be, for an account and a sender."""

import hashlib
import logging
from datetime import datetime, timedelta
from functools import lru_cache

import psycopg

from rapport import warehouse
from rapport.delivery.configuration import Delivery, read_delivery, read_sender
from rapport.settings import Settings

VALID_FOR = timedelta(days=90)

log = logging.getLogger(__name__)


def account_of(api_key: str) -> str:
    """What stands for a SendGrid account: a hash of its API key's public part (`SG.<id>.<secret>`)."""
    parts = api_key.split(".")
    public = parts[1] if len(parts) == 3 else api_key
    return hashlib.sha256(f"sendgrid account\0{public}".encode()).hexdigest()[:32]


def shape_is_proven(connection: psycopg.Connection, account: str, sender: str, now: datetime) -> bool:
    """Whether a probe has proven batching for this account and sender address, and not too long ago."""
    row = connection.execute(
        """
        select exists (
            select from activation.probes
            where account = %s and sender = %s and proven_at <= %s and valid_until > %s
        )
        """,
        [account, sender, now, now],
    ).fetchone()
    return row is not None and bool(row[0])


def asks_for_shape(delivery: Delivery) -> bool:
    """Whether config/delivery.yml wants many mails in a request."""
    return delivery.transport == "sendgrid" and delivery.sendgrid.render == "shape"


def unproven_shape(
    connection: psycopg.Connection, delivery: Delivery, settings: Settings, sender: str, now: datetime
) -> str | None:
    """Why mails from this address go one by one though `render: shape` is asked for; None where they do not.

    The sentence is logged once a process.
    """
    if not asks_for_shape(delivery) or not settings.sendgrid_api_key:
        return None
    if shape_is_proven(connection, account_of(settings.sendgrid_api_key), sender, now):
        return None
    sentence = (
        f"config/delivery.yml asks for render: shape, but no probe of the last {VALID_FOR.days} days proves "
        f"it for {sender} and this account: each mail is a request of its own; `rapport delivery probe` "
        "proves it"
    )
    _log_once(sentence)
    return sentence


def with_proven_render(
    connection: psycopg.Connection, delivery: Delivery, settings: Settings, now: datetime
) -> Delivery:
    """The delivery rules, with `render: single` where `shape` is asked for but not proven for the sender."""
    if not asks_for_shape(delivery):
        return delivery
    if unproven_shape(connection, delivery, settings, read_sender(settings).address, now) is None:
        return delivery
    return delivery.model_copy(update={"sendgrid": delivery.sendgrid.model_copy(update={"render": "single"})})


def delivery_notices(url: str, settings: Settings, now: datetime) -> list[str]:
    """What `rapport status` says about delivery: nothing, where all is as config/delivery.yml asks."""
    delivery = read_delivery(settings)
    if not asks_for_shape(delivery):
        return []
    with warehouse.connect(url) as connection:
        sentence = unproven_shape(connection, delivery, settings, read_sender(settings).address, now)
    return [sentence] if sentence else []


@lru_cache(maxsize=16)
def _log_once(sentence: str) -> None:
    log.warning("%s", sentence)
