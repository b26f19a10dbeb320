"""SendGrid's client over kept connections, with timeouts, without retries, and with nothing to log.

`python_http_client`, which the `sendgrid` package is built on, opens a connection for each request, waits for
ever, and logs key and addresses at DEBUG.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from python_http_client import Client  # type: ignore[import-untyped]
from urllib3.util import Retry, Timeout

from rapport.errors import ConfigurationError

CONNECTED_BY = 10.0  # seconds
ANSWERED_BY = 60.0  # seconds, of a request and its answer together

# What these write at DEBUG holds key and addresses (the first) or the proxy's password (the second).
logging.getLogger("python_http_client").setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.WARNING)


class Withheld(Exception):
    """A request that was not to leave any more when its connection stood."""


class SendGridClient(Client):
    """The client of the `sendgrid` package, its requests made by a pool of connections.

    Args:
        connections: how many requests may be under way at once.
    """

    def __init__(self, host: str, key: str, *, connections: int = 1) -> None:
        parts = urlsplit(host)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigurationError(
                f"config/delivery.yml: sendgrid.host: {host}: only https:// may leave this machine"
            )
        super().__init__(
            host=host.rstrip("/"),
            request_headers={"Authorization": f"Bearer {key}", "Accept": "application/json"},
            version=3,
        )
        self.pool = _pool(host, connections)

    def _build_client(self, name: str | None = None) -> "SendGridClient":
        client: SendGridClient = object.__new__(type(self))
        client.__dict__.update(self.__dict__, _url_path=[*self._url_path, name] if name else self._url_path)
        return client

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> "PooledResponse":
        """Answer with whatever came; a status of 400 and more is an answer too.

        Raises:
            urllib3.exceptions.HTTPError: none came.
        """
        return self.send(request.get_method(), request.get_full_url(), request.data, dict(request.headers))

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str] | None = None,
        *,
        may_leave: Callable[[], bool] | None = None,
    ) -> "PooledResponse":
        """One request; `url` is a path below the host, or whole. JSON bytes go as they are.

        Args:
            may_leave: asked once the connection stands, just before the body goes out.

        Raises:
            Withheld: it said no. The other side got no body, and the connection is closed.
            urllib3.exceptions.HTTPError: no answer came.
        """
        headers = {**self.request_headers, "Content-Type": "application/json", **(headers or {})}
        content: bytes | Iterator[bytes] | None = body
        if body is not None and may_leave is not None:
            headers["Content-Length"] = str(len(body))
            content = _held_back(body, may_leave)
        answer = self.pool.request(
            method,
            url if "://" in url else f"{self.host}{url}",
            body=content,
            headers=headers,
            retries=Retry(False),
            redirect=False,
            timeout=Timeout(connect=CONNECTED_BY, total=ANSWERED_BY),
        )
        return PooledResponse(answer)

    def close(self) -> None:
        """Close the connections."""
        self.pool.clear()


def _held_back(body: bytes, may_leave: Callable[[], bool]) -> Iterator[bytes]:
    """The body; the connection reads it when it has sent the head of the request."""
    if not may_leave():
        raise Withheld
    yield body


class PooledResponse:
    """An answer in the form that python_http_client reads: getcode, read, info."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._body = answer.data

    def getcode(self) -> int:
        return self.status

    def read(self) -> bytes:
        return self._body

    def info(self) -> urllib3.HTTPHeaderDict:
        return self.headers

    @cached_property
    def text(self) -> str:
        return self._body.decode("utf-8", "replace")


def _pool(host: str, connections: int) -> urllib3.PoolManager:
    """A pool that goes through the proxy that the environment names for the host."""
    parts = urlsplit(host)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, maxsize=connections, block=True)
    return urllib3.PoolManager(maxsize=connections, block=True)
