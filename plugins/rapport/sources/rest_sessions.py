"""The HTTP session through which an API is asked: retries, a limit on the pace, no secret to others."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from rapport.errors import InputError
from rapport.sources.dlt_library import Client, jsonpath
from rapport.sources.paths import decode

REQUEST_SECONDS = 60
SAME_REQUESTS = 50


@dataclass(frozen=True)
class Manners:
    """How an API is asked.

    `origins` is where requests may go, each as `origin` gives it. Each good answer has one of the `selectors`
    (compiled paths; None: any answer is good), but for that of `token_url`. A request that is answered by 429
    or 5xx, or not at all, is tried `attempts` times, with at most `longest_wait` seconds between two tries,
    whatever Retry-After asks for.
    """

    origins: frozenset[str]
    selectors: tuple[Any, ...] | None
    token_url: str | None
    attempts: int
    longest_wait: float
    requests_per_minute: int | None


def open_session(label: str, manners: Manners) -> Session:
    """A session for one reading; numbers in its answers keep the digits they were written with."""
    session: Session = Client(
        raise_for_status=False,
        request_timeout=REQUEST_SECONDS,
        request_max_attempts=manners.attempts,
        request_max_retry_delay=manners.longest_wait,
    ).session
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WholeAnswers())
    session.send = _Guarded(label, manners, session.send)  # type: ignore[method-assign]
    return session


def origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


class _WholeAnswers(HTTPAdapter):
    """Reads each answer to its end before anybody judges it: one that is left half read keeps a socket."""

    def send(self, request: PreparedRequest, *arguments: Any, **keys: Any) -> Response:
        response = super().send(request, *arguments, **keys)
        _ = response.content
        return response


class _Guarded:
    """What a request and its answer go through."""

    def __init__(self, label: str, manners: Manners, send: Callable[..., Response]) -> None:
        self._label = label
        self._manners = manners
        self._send = send
        self._seen: Counter[tuple[Any, ...]] = Counter()
        self._times: deque[float] = deque(maxlen=manners.requests_per_minute)

    def __call__(self, request: PreparedRequest, **keys: Any) -> Response:
        url = request.url or ""
        if origin(url) not in self._manners.origins:
            raise InputError(
                f"{self._label}: the answer sends us on to {origin(url)}, and what is secret here is not for "
                "others; if that host is the same system's, make it the base_url"
            )
        asked = (request.method, url, request.body)
        self._seen[asked] += 1
        if self._seen[asked] > SAME_REQUESTS:
            raise InputError(
                f"{self._label}: {request.method} {urlsplit(url).path} was asked for the same page "
                f"{SAME_REQUESTS} times; the paginator does not fit the API"
            )
        self._keep_pace()
        response = self._send(request, **keys)
        response.json = lambda **_: decode(response.text)  # type: ignore[method-assign]
        if response.ok and url != self._manners.token_url:
            self._check(response)
        return response

    def _check(self, response: Response) -> None:
        what = f"{self._label}: the answer to {response.request.method} {urlsplit(response.url).path}"
        try:
            body = response.json()
        except (ValueError, RecursionError):
            raise InputError(f"{what} is no JSON; is the base_url that of the API?") from None
        selectors = self._manners.selectors
        if selectors is not None and not any(jsonpath.find_values(path, body) for path in selectors):
            has = ", ".join(body) if isinstance(body, dict) else "a list"
            raise InputError(f"{what} has nothing at data_selector; it has: {has}")

    def _keep_pace(self) -> None:
        limit = self._manners.requests_per_minute
        if limit is None:
            return
        if len(self._times) == limit:
            wait = self._times[0] + 60 - time.monotonic()
            if wait > 0:
                time.sleep(wait)
        self._times.append(time.monotonic())
