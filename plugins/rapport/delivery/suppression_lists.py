"""Reading SendGrid's suppression lists."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
import psycopg
import urllib3

from rapport.audiences.recipients import RecipientKey
from rapport.audiences.suppressions import Pulled, first_pull_done, pull
from rapport.delivery.configuration import read_delivery
from rapport.delivery.transports.sendgrid_client import SendGridClient
from rapport.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rapport.settings import Settings


def pull_from_sendgrid(
    connection: psycopg.Connection, key: RecipientKey, settings: Settings, now: datetime
) -> list[Pulled]:
    """Take over what SendGrid's lists gained since the last pull. The connection is in autocommit.

    Raises:
        ConfigurationError: there is no API key.
        RecipientKeyChanged: this is not the key that the warehouse's recipients were made with.
        SourceRefused: the API key may not read the lists.
        SourceUnavailable: SendGrid does not answer, or asks us to wait.
    """
    if settings.sendgrid_api_key is None:
        raise ConfigurationError("SENDGRID_API_KEY is not set; SendGrid's lists are read with it")
    client = SendGridClient(read_delivery(settings).sendgrid.host, settings.sendgrid_api_key)

    def read(path: str, query: Mapping[str, int]) -> list[dict[str, Any]]:
        return _read(client, path, query)

    with closing(client):
        return pull(connection, key, read, now)


def ensure_first_pull(
    connection: psycopg.Connection, key: RecipientKey, settings: Settings, now: datetime
) -> None:
    """Before the first mail leaves over SendGrid: who was on its lists by then must not get it.

    Raises:
        see pull_from_sendgrid; then nothing may leave.
    """
    if not first_pull_done(connection):
        pull_from_sendgrid(connection, key, settings, now)


def _read(client: SendGridClient, path: str, query: Mapping[str, int]) -> list[dict[str, Any]]:
    name = path.rpartition("/")[2]
    try:
        answer = client.send("GET", f"/v3/{path}?{urlencode(query)}", None)
    except urllib3.exceptions.HTTPError as error:
        raise SourceUnavailable(
            f"SendGrid does not answer about its list {name} ({type(error).__name__})"
        ) from None
    if answer.status in (401, 403):
        raise SourceRefused(
            f"SendGrid does not let us read its list {name} ({answer.status}); "
            "SENDGRID_API_KEY needs the scope suppression.read"
        )
    try:
        entries = orjson.loads(answer.read())
    except orjson.JSONDecodeError:
        entries = None
    if answer.status != 200 or not isinstance(entries, list):
        raise SourceUnavailable(f"SendGrid answered {answer.status} about its list {name}; try again later")
    return [entry for entry in entries if isinstance(entry, dict)]
