"""dlt, as a library that asks REST APIs: it phones nobody, keeps nothing and asks no store of secrets."""

import os

_SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # It would ask Airflow for dozens of variables before the first request.
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",
}

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)

from dlt.common import jsonpath  # noqa: E402
from dlt.common.exceptions import DltException  # noqa: E402
from dlt.sources.helpers.requests.retry import Client  # noqa: E402
from dlt.sources.helpers.rest_client.paginators import (  # noqa: E402
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
)
from dlt.sources.rest_api import rest_api_resources  # noqa: E402

__all__ = [
    "Client",
    "DltException",
    "JSONLinkPaginator",
    "JSONResponseCursorPaginator",
    "jsonpath",
    "rest_api_resources",
]
