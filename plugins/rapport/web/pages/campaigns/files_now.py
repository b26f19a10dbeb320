"""The campaign files as they are now, read afresh only where a file or the warehouse's columns changed."""

from threading import Lock
from typing import Any

import psycopg

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.configuration import Campaigns, read_campaigns
from rapport.campaigns.fields import Fields
from rapport.settings import Settings

_LOCK = Lock()
_READ: dict[Any, Campaigns] = {}


def campaigns_now(settings: Settings, connection: psycopg.Connection) -> Campaigns:
    """What `rapport campaign check` would find.

    Raises:
        ConfigurationError: config/delivery.yml is wrong, or there is no folder of segments.
    """
    fields = Fields.of(connection)
    state = (settings, _files(settings), repr(fields))
    with _LOCK:
        if state not in _READ:
            _READ.clear()
            _READ[state] = read_campaigns(settings, fields)
        return _READ[state]


def campaign_now(settings: Settings, connection: psycopg.Connection, name: str) -> Campaign | None:
    """The campaign of this name, where its file is right."""
    good = campaigns_now(settings, connection).good
    return next((campaign for campaign in good if campaign.name == name), None)


def _files(settings: Settings) -> tuple[tuple[str, int, int], ...]:
    folders = (
        settings.config,
        settings.config / "campaigns",
        settings.config / "templates",
        settings.dbt_project / "models" / "segments",
    )
    files = sorted(path for folder in folders for path in folder.glob("*") if path.is_file())
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
