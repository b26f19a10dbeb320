"""Running the public pages: what they are made of, what they refuse to start with, and the server."""

import logging

import uvicorn

from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.delivery.configuration import read_delivery, read_sender
from rapport.delivery.unsubscribe import UnsubscribeKeys
from rapport.errors import RecipientKeyChanged
from rapport.public.app import Site, make_app
from rapport.public.database import Database
from rapport.public.login import check_login, database_url
from rapport.public.webhook import WebhookKeys
from rapport.settings import Settings

MOST_CONNECTIONS = 1000  # a proxy keeps many open that are idle
log = logging.getLogger(__name__)


def serve(settings: Settings, *, host: str, port: int, proxies: str, log_level: str) -> None:
    """Answer until told to stop.

    Raises:
        ConfigurationError: the settings name no log-in, one that may do more than the public pages need,
            no sender, or a key that is none.
        RecipientKeyChanged: the links in the mails were signed with another key.
        WarehouseUnavailable: the log-in does not work.
    """
    url = database_url(settings)
    # From here on: what migrating says is of no use in this log.
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    check_login(url)
    recipient_key = _recipient_key(settings)
    if recipient_key is not None:
        check_recipient_key(url, recipient_key)
    site = Site(
        sender=read_sender(settings),
        topics=read_delivery(settings).topics,
        unsubscribe_keys=UnsubscribeKeys.from_settings(settings, recipient_key),
        webhook_keys=WebhookKeys.parse(settings.webhook_keys),
    )
    if not site.webhook_keys.keys:
        log.warning("RAPPORT_WEBHOOK_KEYS names no key: /hooks/sendgrid answers 503")
    uvicorn.run(
        make_app(site, Database(url)),
        host=host,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="none",
        # Uvicorn's own access log holds whole paths.
        access_log=False,
        log_config=None,
        log_level=log_level,
        server_header=False,
        forwarded_allow_ips=proxies,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
    )


def check_recipient_key(url: str, key: RecipientKey) -> None:
    """Refuse to start where the recipient key is another than the warehouse's: every link would be refused.

    Raises:
        RecipientKeyChanged: see above.
    """
    with warehouse.connect(url) as connection:
        row = connection.execute(
            "select public_pages.is_recipient_key(%s, %s)", [key.key_id, key.check_value]
        ).fetchone()
    if row is not None and row[0] is False:
        raise RecipientKeyChanged(
            f"{key.origin} holds the recipient key {key.key_id}, but this warehouse's recipients were made "
            "with another; give `rapport serve` the same key as the pipeline"
        )


def _recipient_key(settings: Settings) -> RecipientKey | None:
    """The recipient key; None where this process was given other keys instead and shall not know it."""
    is_given = settings.recipient_key or (settings.home / "secrets" / "recipient_key").exists()
    return None if settings.unsubscribe_keys and not is_given else RecipientKey.from_settings(settings)
