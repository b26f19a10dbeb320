"""A resource's records, page after page, through dlt; what goes wrong has a name and holds no secret."""

from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import requests

from rapport.errors import ConfigurationError, InputError, RapportError, SourceRefused, SourceUnavailable
from rapport.sources.connections import Connection
from rapport.sources.dlt_library import DltException, jsonpath, rest_api_resources
from rapport.sources.rest_configuration import dlt_configuration
from rapport.sources.rest_keys import Rest
from rapport.sources.rest_sessions import Manners, open_session, origin


class RestApi:
    """An API, asked through one session. `label` begins each error."""

    def __init__(self, label: str, rest: Rest, connection: Connection | None) -> None:
        self._label = label
        self._rest = rest
        self._connection = connection
        self._session: requests.Session | None = None

    def __enter__(self) -> "RestApi":
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.close()

    def pages(self, begin: str | None) -> Iterator[tuple[Any, ...]]:
        """The records of each answer that the resource gets, asked for with `begin` in the place of
        `{cursor}`. An answer without records is an empty page.

        Raises:
            SourceUnavailable, SourceRefused, InputError, ConfigurationError: as `fetched` says.
        """
        configuration = dlt_configuration(self._label, self._rest, self._connection, begin)
        if self._session is None:
            self._session = open_session(self._label, _manners(self._label, self._rest, configuration))
        client = configuration["client"]
        client["session"] = self._session
        if "access_token_url" in _auth(client):
            client["auth"]["session"] = self._session
        try:
            found = {resource.name: resource for resource in rest_api_resources(cast(Any, configuration))}
            yield from found[self._rest.name].add_step(_page)
        except RapportError:
            raise
        except Exception as error:
            raise _named(self._label, self._rest, error) from None


def _page(records: list[Any], meta: Any = None) -> tuple[Any, ...]:
    """As one item: dlt flattens lists."""
    return tuple(records)


def _manners(label: str, rest: Rest, configuration: dict[str, Any]) -> Manners:
    client = configuration["client"]
    url, token_url = str(client.get("base_url")), _auth(client).get("access_token_url")
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{label}: read.rest.client.base_url must begin with https://")
    selectors = {_endpoint(resource).get("data_selector") for resource in configuration["resources"]}
    paths = tuple(jsonpath.compile_path(str(selector)) for selector in selectors)
    return Manners(
        origins=frozenset(map(origin, [url, token_url] if token_url else [url])),
        selectors=None if None in selectors else paths,
        token_url=token_url,
        attempts=rest.attempts,
        longest_wait=int(rest.longest_wait[:-1]) * {"s": 1, "m": 60, "h": 3600}[rest.longest_wait[-1]],
        requests_per_minute=rest.requests_per_minute,
    )


def _auth(client: dict[str, Any]) -> dict[str, Any]:
    return client["auth"] if isinstance(client.get("auth"), dict) else {}


def _named(label: str, rest: Rest, error: BaseException) -> BaseException:
    """What is behind dlt's own exceptions, in our words."""
    for cause in _causes(error):
        match cause:
            case RapportError():
                return cause
            case requests.HTTPError() if cause.response is not None:
                return _answered(label, rest, cause.response)
            case requests.ConnectionError() | requests.Timeout():
                where = origin(str(cause.request.url)) if cause.request else "the API"
                return SourceUnavailable(
                    f"{label}: {where} does not answer ({type(cause).__name__}, tried {rest.attempts} times)"
                    "; run again when it does"
                )
            case DltException() | ValueError() | TypeError() | KeyError() if not cause.__cause__:
                return ConfigurationError(
                    f"{label}: dlt cannot read what read.rest says: {_first_line(cause)}"
                )
    return error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _answered(label: str, rest: Rest, response: requests.Response) -> RapportError:
    request = response.request
    path = urlsplit(request.url or "").path
    status = f"{response.status_code} {response.reason or ''}".rstrip()
    what = f"{label}: {request.method} {path} was answered with {status}"
    if response.status_code in (401, 403):
        return SourceRefused(
            f"{what}; mend the secret of the connection {rest.connection}, or grant it what it needs to read"
        )
    if response.status_code == 429 or response.status_code >= 500:
        return SourceUnavailable(f"{what}, also after {rest.attempts} tries; run again later")
    return InputError(f"{what}; mend the resource {rest.name} in read.rest")


def _endpoint(resource: dict[str, Any]) -> dict[str, Any]:
    endpoint = resource.get("endpoint")
    return endpoint if isinstance(endpoint, dict) else {}


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
