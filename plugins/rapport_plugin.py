"""Rapport's pages inside Airflow, under one log-in. Every component imports this file, so it stays light."""

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/rapport"


def _apps() -> list[dict[str, Any]]:
    """The pages, in the API server only: a scheduler or a worker has no use for them."""
    if not {"api-server", "api_server"}.intersection(sys.argv):
        return []
    from rapport.web.app import create_app

    return [{"app": create_app(), "url_prefix": PREFIX, "name": "Rapport"}]


class RapportPlugin(AirflowPlugin):
    """Where Airflow finds the pages, and the entry in its navigation."""

    name = "rapport"
    fastapi_apps = _apps()
    external_views = [  # noqa: RUF012 - the name and shape that Airflow reads
        {
            "name": "Rapport",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "rapport",
            "nav_top_level": True,
        }
    ]
