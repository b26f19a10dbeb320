"""Reading SendGrid's suppression lists."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import psycopg
import urllib3

from rapport.audiences.recipients import RecipientKey
from rapport.audiences.suppressions import Pulled, pull
from rapport.delivery.configuration import read_delivery
from rapport.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rapport.settings import Settings

TIMEOUT = urllib3.Timeout(connect=10, read=60)


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
    host = read_delivery(settings).sendgrid.host
    headers = {"Authorization": f"Bearer {settings.sendgrid_api_key}", "Accept": "application/json"}
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False, headers=headers) as pool:

        def read(path: str, query: Mapping[str, int]) -> list[dict[str, Any]]:
            return _read(pool, f"{host}/v3/{path}", query)

        return pull(connection, key, read, now)


def _read(pool: urllib3.PoolManager, url: str, query: Mapping[str, int]) -> list[dict[str, Any]]:
    name = url.rpartition("/")[2]
    try:
        answer = pool.request("GET", url, fields={key: str(value) for key, value in query.items()})
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
        entries = orjson.loads(answer.data)
    except orjson.JSONDecodeError:
        entries = None
    if answer.status != 200 or not isinstance(entries, list):
        raise SourceUnavailable(f"SendGrid answered {answer.status} about its list {name}; try again later")
    return [entry for entry in entries if isinstance(entry, dict)]
