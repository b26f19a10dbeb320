"""Airflow connections: where a source's server is and how to log in.

Looked up when data is read and never before, so that a configuration can be checked without secrets.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rapport.errors import ConfigurationError


@dataclass(frozen=True)
class Connection:
    """What Airflow knows of a system. `kind` is its conn_type; what `repr` leaves out must never be shown."""

    name: str
    kind: str
    host: str | None = None
    port: int | None = None
    schema: str | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """Where a web service is, such as https://shop.example; https where the connection does not say."""
        host = (self.host or "").rstrip("/")
        if "://" not in host:
            scheme = self.schema if self.schema in ("http", "https") else "https"
            host = f"{scheme}://{host}"
        return host if self.port is None else f"{host}:{self.port}"


def find_connection(name: str) -> Connection:
    """The connection of this id: from AIRFLOW_CONN_<ID> (a URL or JSON), else from where Airflow keeps them.

    Raises:
        ConfigurationError: there is none, or what is there is none.
    """
    written = os.environ.get(_variable(name), "").strip()
    if not written:
        return _kept_by_airflow(name)
    try:
        return _from_json(name, written) if written.startswith("{") else _from_url(name, written)
    except (ValueError, TypeError):
        # What was written holds a password, and so may the reason.
        raise ConfigurationError(
            f"{_variable(name)} is none; it is a URL such as postgresql://user:password@host/shop or "
            'JSON such as {"conn_type": "http", "host": "shop.example", "password": "…"}'
        ) from None


def _variable(name: str) -> str:
    return f"AIRFLOW_CONN_{name.upper()}"


def _from_json(name: str, written: str) -> Connection:
    given = json.loads(written)
    extra = given.get("extra") or {}
    port = given.get("port")
    return Connection(
        name,
        _kind(given.get("conn_type") or ""),
        given.get("host"),
        int(port) if port not in (None, "") else None,
        given.get("schema"),
        given.get("login"),
        given.get("password"),
        json.loads(extra) if isinstance(extra, str) else dict(extra),
    )


def _from_url(name: str, written: str) -> Connection:
    scheme, separator, rest = written.partition("://")
    if not separator:
        raise ValueError(written)
    # Airflow writes the protocol of a web service before its host: http://https://shop.example
    protocol, again, inner = rest.partition("://")
    parts = urlsplit(f"{scheme}://{inner if again else rest}")
    extra = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    host = unquote(parts.hostname or "")
    return Connection(
        name,
        _kind(scheme),
        f"{protocol}://{host}" if again else host or None,
        parts.port,
        unquote(parts.path[1:]) or None,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        extra,
    )


def _kind(written: str) -> str:
    kind = written.lower().replace("-", "_")
    return "postgres" if kind == "postgresql" else kind


def _kept_by_airflow(name: str) -> Connection:
    from airflow.exceptions import AirflowException
    from airflow.sdk import Connection as AirflowConnection

    try:
        found = AirflowConnection.get(name)
    except (AirflowException, ImportError) as error:
        raise ConfigurationError(
            f"there is no connection {name}; set {_variable(name)}, or add it to Airflow's connections "
            f"({type(error).__name__})"
        ) from None
    return Connection(
        name,
        # Airflow keeps types whose provider is not installed as generic.
        _kind(found.extra_dejson.get("conn_type") or found.conn_type or ""),
        found.host,
        found.port,
        found.schema,
        found.login,
        found.password,
        {name: value for name, value in found.extra_dejson.items() if name != "conn_type"},
    )
