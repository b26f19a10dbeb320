"""`read.rest` → dlt's configuration: values in their types, secrets and the cursor filled in."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rapport.errors import ConfigurationError
from rapport.sources.connections import Connection
from rapport.sources.rest_keys import Rest
from rapport.sources.rest_paginators import UNTIL

# Source files hold texts; dlt wants these in their own types.
_NUMBERS = frozenset(
    ("base_page", "page", "maximum_page", "limit", "offset", "maximum_offset", "status_code")
)
_FLAGS = frozenset(("stop_after_empty_page", "parallelized"))
_NOTHING = ("null", "~")
_CONNECTION = re.compile(r"\{connection\.([a-z_]+)(?:\.([^}.]+))?\}")
CONNECTION_FIELDS = ("url", "host", "port", "schema", "login", "password")


def dlt_configuration(
    label: str, rest: Rest, connection: Connection | None, begin: str | None
) -> dict[str, Any]:
    """What `rest_api_resources` takes. `begin` is what `{cursor}` stands for.

    Raises:
        ConfigurationError: something is to be filled in that the connection does not have.
    """

    def filled(text: str, *, is_template: bool) -> str:
        def value(match: re.Match[str]) -> str:
            found = _connection_value(label, connection, match)
            # What dlt formats itself must not be taken for one of its own placeholders.
            return found.replace("{", "{{").replace("}", "}}") if is_template else found

        text = _CONNECTION.sub(value, text)
        return text if begin is None else text.replace("{cursor}", begin)

    def of_client(text: str) -> str:
        return filled(text, is_template=False)

    def of_resource(text: str) -> str:
        return filled(text, is_template=True)

    return {
        "client": _typed(rest.client, of_client),
        "resource_defaults": _typed(rest.resource_defaults, of_resource),
        "resources": [_typed(resource, of_resource) for resource in rest.resources],
    }


def written(moment: datetime, notation: str) -> str:
    """A moment as an API wants to be asked for it."""
    moment = moment.astimezone(UTC)
    match notation:
        case "iso":
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "unix_seconds":
            return str(int(moment.timestamp()))
        case "unix_milliseconds":
            return str(int(moment.timestamp() * 1000))
    return moment.strftime(notation)


def _connection_value(label: str, connection: Connection | None, match: re.Match[str]) -> str:
    name, extra = match.groups()
    if connection is not None:
        if name == "extra" and extra:
            value = connection.extra.get(extra)
        else:
            value = getattr(connection, name) if name in CONNECTION_FIELDS else None
        if value not in (None, ""):
            return str(value)
    known = ", ".join(f"connection.{field}" for field in (*CONNECTION_FIELDS, "extra.<name>"))
    where = (
        f"the connection {connection.name} has no"
        if connection
        else "without read.rest.connection there is no"
    )
    raise ConfigurationError(f"{label}: {where} {match[0][len('{connection.') : -1]}; there may be {known}")


def _typed(given: Any, fill: Callable[[str], str], key: str = "", *, in_body: bool = False) -> Any:
    match given:
        case dict() if key == "paginator" and given.get("type") in UNTIL:
            keys = {name: _typed(value, fill, name) for name, value in given.items() if name != "type"}
            return UNTIL[given["type"]](**keys)
        case dict():
            return {
                fill(name): _typed(value, fill, name, in_body=in_body or name == "json")
                for name, value in given.items()
            }
        case list():
            return [_typed(value, fill, key, in_body=in_body) for value in given]
        case str():
            return _scalar(given, fill(given), key, in_body)
    return given


def _scalar(given: str, text: str, key: str, in_body: bool) -> Any:
    if key in _FLAGS and not in_body:
        return given == "true"
    if (key.endswith("_path") or key in _NUMBERS) and given in _NOTHING:
        return None
    if key in _NUMBERS and given.isdecimal():
        return int(given)
    if in_body and given == text:
        if given in ("true", "false"):
            return given == "true"
        if given in _NOTHING:
            return None
    return text
