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


def records(label: str, rest: Rest, connection: Connection | None, begin: str | None) -> Iterator[Any]:
    """The records of `rest.name`, asked for with `begin` in the place of `{cursor}`.

    Raises:
        SourceUnavailable, SourceRefused, InputError, ConfigurationError: as `fetched` says.
    """
    configuration = dlt_configuration(label, rest, connection, begin)
    client = configuration["client"]
    selectors = {_endpoint(resource).get("data_selector") for resource in configuration["resources"]}
    auth = client["auth"] if isinstance(client.get("auth"), dict) else {}
    manners = Manners(
        origins=_origins(label, client, auth),
        selectors=None
        if None in selectors
        else tuple(jsonpath.compile_path(str(selector)) for selector in selectors),
        token_url=auth.get("access_token_url"),
        attempts=rest.attempts,
        longest_wait=_seconds(rest.longest_wait),
        requests_per_minute=rest.requests_per_minute,
    )
    session = open_session(label, manners)
    client["session"] = session
    if manners.token_url is not None:
        auth["session"] = session
    try:
        found = {resource.name: resource for resource in rest_api_resources(cast(Any, configuration))}
    except (DltException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"{label}: read.rest is no configuration of dlt's REST source: {_first_line(error)}"
        ) from None
    try:
        yield from found[rest.name]
    except RapportError:
        raise
    except Exception as error:
        raise _named(label, rest, error) from None


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
    for cause in _causes(error):
        if isinstance(cause, ValueError | KeyError | TypeError | requests.RequestException):
            return InputError(f"{label}: an answer cannot be understood ({type(cause).__name__})")
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


def _origins(label: str, client: dict[str, Any], auth: dict[str, Any]) -> frozenset[str]:
    urls = [
        str(client.get("base_url") or ""),
        *([auth["access_token_url"]] if "access_token_url" in auth else []),
    ]
    if not urls[0].startswith(("http://", "https://")):
        raise ConfigurationError(f"{label}: read.rest.client.base_url must begin with https://")
    return frozenset(map(origin, urls))


def _seconds(written: str) -> float:
    return int(written[:-1]) * {"s": 1, "m": 60, "h": 3600}[written[-1]]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
