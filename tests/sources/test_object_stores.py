"""What the library of an object store is told of an Airflow connection."""

from collections.abc import Callable

import pytest

from rapport.errors import ConfigurationError
from rapport.sources.connections import Connection
from rapport.sources.feed import Feed
from rapport.sources.files import find_files
from rapport.sources.object_stores import storage_options

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}
SECRET = "hunter2/very+secret"


OPTIONS = {
    "s3 by the environment": ("s3://b/x", Connection("c", "aws"), {}),
    "s3 by key": (
        "s3://b/x",
        Connection("c", "s3", login="k", password="s", extra={"region_name": "eu-central-1"}),
        {"key": "k", "secret": "s", "client_kwargs": {"region_name": "eu-central-1"}},
    ),
    "s3 by extra": (
        "s3://b/x",
        Connection(
            "c",
            "aws",
            extra={
                "aws_access_key_id": "k",
                "aws_secret_access_key": "s",
                "aws_session_token": "t",
                "service_config": {"s3": {"endpoint_url": "http://minio:9000"}},
            },
        ),
        {"key": "k", "secret": "s", "token": "t", "endpoint_url": "http://minio:9000"},
    ),
    "google by the environment": ("gs://b/x", Connection("c", "google_cloud_platform"), {}),
    "google by key file": (
        "gs://b/x",
        Connection("c", "google_cloud_platform", extra={"key_path": "/k.json", "project": "p"}),
        {"token": "/k.json", "project": "p"},
    ),
    "google by key": (
        "gcs://b/x",
        Connection(
            "c",
            "google_cloud_platform",
            extra={"extra__google_cloud_platform__keyfile_dict": '{"type": "s"}'},
        ),
        {"token": {"type": "s"}},
    ),
    "azure by key": (
        "az://c/x",
        Connection("c", "wasb", login="account", password="key"),
        {"account_name": "account", "account_key": "key"},
    ),
    "azure by token": (
        "abfs://c/x",
        Connection("c", "wasb", host="https://account.blob.core.windows.net", extra={"sas_token": "?sv"}),
        {"account_name": "account", "sas_token": "?sv"},
    ),
    "azure by application": (
        "abfss://c/x",
        Connection(
            "c",
            "wasb",
            host="account.blob.core.windows.net",
            login="id",
            password="s",
            extra={"tenant_id": "t"},
        ),
        {"account_name": "account", "tenant_id": "t", "client_id": "id", "client_secret": "s"},
    ),
    "azure by application in another cloud": (
        "az://c/x",
        Connection(
            "c",
            "wasb",
            host="account.blob.core.chinacloudapi.cn",
            login="id",
            password="s",
            extra={"tenant_id": "t"},
        ),
        {
            "account_name": "account",
            "account_host": "account.blob.core.chinacloudapi.cn",
            "tenant_id": "t",
            "client_id": "id",
            "client_secret": "s",
        },
    ),
    "azure by key in another cloud": (
        "az://c/x",
        Connection("c", "wasb", host="account.blob.core.chinacloudapi.cn", login="account", password="key"),
        {
            "connection_string": "BlobEndpoint=https://account.blob.core.chinacloudapi.cn;"
            "AccountName=account;AccountKey=key"
        },
    ),
    "azure by token in an emulator": (
        "az://c/x",
        Connection("c", "wasb", host="http://azurite:10000/shop", login="shop", extra={"sas_token": "?sv=1"}),
        {
            "connection_string": "BlobEndpoint=http://azurite:10000/shop;AccountName=shop;"
            "SharedAccessSignature=sv=1"
        },
    ),
    "azure by text": (
        "az://c/x",
        Connection("c", "adls", extra={"extra__adls__connection_string": "AccountName=a"}),
        {"connection_string": "AccountName=a"},
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_connection_becomes_what_the_file_system_is_told(case: str) -> None:
    files, connection, expected = OPTIONS[case]
    assert storage_options(files, connection) == expected


def test_the_options_are_ones_that_the_file_systems_know() -> None:
    import inspect

    import adlfs
    import s3fs
    from gcsfs.core import GCSFileSystem

    systems = {"s3": s3fs.S3FileSystem, "gs": GCSFileSystem, "gcs": GCSFileSystem}
    for files, connection, _ in OPTIONS.values():
        system = systems.get(files.partition("://")[0], adlfs.AzureBlobFileSystem)
        known = inspect.signature(system.__init__).parameters
        named = {"profile"} if system is s3fs.S3FileSystem else set()
        assert set(storage_options(files, connection)) <= set(known) | named


@pytest.mark.parametrize(
    ("files", "kind", "sentence"),
    [
        ("s3://b/x", "postgres", "the connection c is of the type postgres; s3:// needs aws or s3"),
        ("az://b/x", "aws", "the connection c is of the type aws; az:// needs wasb or"),
        ("landing/x", "aws", "file takes no connection; remove read.connection"),
    ],
)
def test_a_connection_for_another_system_is_a_sentence(files: str, kind: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        storage_options(files, Connection("c", kind, password=SECRET))
    assert sentence in str(error.value)
    assert SECRET not in str(error.value)


def test_a_connection_that_is_not_there_is_a_sentence(
    make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", "nonsense")
    feed = make_feed(CONTACT, "contacts", read={"files": "s3://b/x.csv", "connection": "nowhere"})
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_NOWHERE is none"):
        find_files(feed)
