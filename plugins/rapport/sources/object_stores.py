"""Where a feed's files are: a folder, or an object store whose credentials are an Airflow connection's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.core import url_to_fs

from rapport.errors import ConfigurationError, InputError
from rapport.sources.connections import Connection, find_connection
from rapport.sources.feed import Feed

_AMAZON, _GOOGLE = ("aws", "s3"), ("google_cloud_platform",)
_AZURE = ("wasb", "adls", "azure", "azure_data_lake")
_KINDS = {
    "s3": _AMAZON,
    "s3a": _AMAZON,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
}
_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "gcsfs", "google", "requests", "azure", "adlfs")


def open_system(feed: Feed) -> tuple[Any, str]:
    """The file system of the feed's files, and their path or pattern on it.

    Raises:
        InputError: the URL names a system that is not known or cannot be opened.
        ConfigurationError: there is no such connection, or it is one for another system.
    """
    files, name = feed.read.files, feed.read.connection
    options = {} if name is None else storage_options(files, find_connection(name))
    try:
        with failures_named(files):
            return file_system(files, options)
    except (ImportError, ValueError, OSError) as error:
        # What an option holds may be a secret, and so may what a library says about it.
        reason = str(error) if name is None else type(error).__name__
        raise InputError(f"{feed.name}: {files} cannot be opened: {reason}") from None


def file_system(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system of a path or URL, told these options, and the path or pattern on it.

    Raises:
        ImportError, ValueError, OSError: as the file system's library says.
    """
    if url.partition("://")[0] not in ("gs", "gcs"):
        system, path = url_to_fs(url, **options)
        return system, path
    # gcsfs's default first asks by gRPC what kind of bucket it is: for a minute where a proxy or an emulator
    # speaks HTTP only.
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**options), GCSFileSystem._strip_protocol(url)


@contextmanager
def failures_named(path: str) -> Iterator[None]:
    """Errors that the libraries of object stores have of their own become a sentence; it shows no secret.

    Raises:
        InputError: naming the path and the kind of the error.
    """
    try:
        yield
    except Exception as error:
        if not is_of_a_store(error) or isinstance(error, OSError):
            raise
        raise InputError(
            f"{path}: the store does not answer as it should ({type(error).__name__}); are the connection's "
            "credentials, its endpoint and the bucket's name right?"
        ) from None


def is_of_a_store(error: Exception) -> bool:
    """Whether the library of an object store, or what it stands on, has defined this kind of error."""
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def storage_options(files: str, connection: Connection) -> dict[str, Any]:
    """What the URL's file system is told, in the names of s3fs, gcsfs and adlfs; without what is not known.

    Raises:
        ConfigurationError: the connection is one for another system.
    """
    scheme = files.partition("://")[0] if "://" in files else "file"
    kinds = _KINDS.get(scheme)
    if kinds is None:
        raise ConfigurationError(
            f"{files}: {scheme} takes no connection; remove read.connection, or name files that begin with "
            f"{', '.join(f'{known}://' for known in _KINDS)}"
        )
    if connection.kind not in kinds:
        raise ConfigurationError(
            f"{files}: the connection {connection.name} is of the type {connection.kind}; {scheme}:// needs "
            f"{' or '.join(kinds)}"
        )
    told = {_AMAZON: _amazon, _GOOGLE: _google, _AZURE: _azure}[kinds](connection)
    return {key: value for key, value in told.items() if value not in (None, "", {})}


def _amazon(connection: Connection) -> dict[str, Any]:
    extra = connection.extra
    service = (extra.get("service_config") or {}).get("s3") or {}
    return {
        "key": connection.login or extra.get("aws_access_key_id"),
        "secret": connection.password or extra.get("aws_secret_access_key"),
        "token": extra.get("aws_session_token"),
        "profile": extra.get("profile_name"),
        "endpoint_url": service.get("endpoint_url") or extra.get("endpoint_url"),
        "client_kwargs": {"region_name": extra["region_name"]} if extra.get("region_name") else None,
    }


def _google(connection: Connection) -> dict[str, Any]:
    key = _extra(connection, "keyfile_dict")
    if isinstance(key, str):
        try:
            key = json.loads(key)
        except ValueError:
            raise ConfigurationError(
                f"the connection {connection.name}: its keyfile_dict is no JSON; paste the whole key file"
            ) from None
    return {
        "project": _extra(connection, "project"),
        "token": key or _extra(connection, "key_path"),
        "endpoint_url": _extra(connection, "endpoint_url"),
    }


def _azure(connection: Connection) -> dict[str, Any]:
    host = (connection.host or "").removeprefix("https://").rstrip("/")
    # The account's name is the login, as Airflow's own hook has it, and its key the password.
    is_application = _extra(connection, "tenant_id") is not None
    login = None if is_application else connection.login
    account = _extra(connection, "account_name") or login or host.partition(".")[0]
    secret = {
        "account_key": None if is_application else connection.password,
        "sas_token": _extra(connection, "sas_token"),
    }
    if is_application:
        return {
            "account_name": account,
            "account_host": host if _is_elsewhere(host) else None,
            "tenant_id": _extra(connection, "tenant_id"),
            "client_id": connection.login,
            "client_secret": connection.password,
            **secret,
        }
    written = _extra(connection, "connection_string")
    if written is None and _is_elsewhere(host):
        parts = {
            "BlobEndpoint": connection.url,
            "AccountName": account,
            "AccountKey": secret["account_key"],
            "SharedAccessSignature": (secret["sas_token"] or "").removeprefix("?"),
        }
        written = ";".join(f"{name}={value}" for name, value in parts.items() if value)
    return {"connection_string": written} if written else {"account_name": account, **secret}


def _is_elsewhere(host: str) -> bool:
    """Whether an Azure account's host is another than adlfs makes of the account's name."""
    return ("." in host or "://" in host) and not host.endswith(
        (".blob.core.windows.net", ".dfs.core.windows.net")
    )


def _extra(connection: Connection, name: str) -> Any:
    """A field of the connection's extra, also by the longer name that older versions of Airflow gave it."""
    return connection.extra.get(name) or connection.extra.get(f"extra__{connection.kind}__{name}")
