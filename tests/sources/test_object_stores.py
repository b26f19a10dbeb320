"""Files in object stores: S3 against a local server that speaks it, the others by what they are told."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from rapport.errors import ConfigurationError, InputError
from rapport.sources.connections import Connection
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks
from rapport.sources.object_stores import storage_options

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}
SECRET = "hunter2/very+secret"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The endpoint of a local S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(store: str) -> Iterator[Any]:
    """An empty bucket, `shop`."""
    resource = boto3.resource(
        "s3",
        endpoint_url=store,
        aws_access_key_id="key",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    bucket = resource.create_bucket(Bucket="shop")
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()
    resource.meta.client.close()


@pytest.fixture
def connection(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Airflow connection `shop_s3`, as an environment variable."""
    extra = {"endpoint_url": store, "region_name": "us-east-1"}
    given = {"conn_type": "aws", "login": "key", "password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", json.dumps(given))


@pytest.fixture
def feed_of(make_feed: MakeFeed, connection: None) -> Callable[..., Feed]:
    return lambda files="s3://shop/contacts/*", **read: make_feed(
        CONTACT, "contacts", read={"files": files, "connection": "shop_s3", **read}
    )


def rows(feed: Feed) -> list[tuple[str, str]]:
    return [
        (row["id"], row["at"])
        for file in find_files(feed)
        for chunk in read_chunks(feed, file)
        for row in chunk.rows.to_pylist()
    ]


def parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": ["3"], "at": ["z"]}), written)
    return written.getvalue()


def test_files_of_a_bucket_are_read_with_a_connection(feed_of: Callable[..., Feed], bucket: Any) -> None:
    bucket.put_object(Key="contacts/a.csv.gz", Body=gzip.compress(b"id,at\n1,x\n"))
    bucket.put_object(Key="contacts/b.jsonl", Body=b'{"id": 2, "at": "y"}')
    bucket.put_object(Key="contacts/c.parquet", Body=parquet())
    bucket.put_object(Key="contacts/deeper/d.csv", Body=b"no")
    bucket.put_object(Key="others/d.csv", Body=b"no")
    assert rows(feed_of()) == [("1", "x"), ("2", "y"), ("3", "z")]
    assert find_files(feed_of())[0].path == "shop/contacts/a.csv.gz"
    assert rows(feed_of("s3://shop/contacts/b.jsonl")) == [("2", "y")]


def test_a_new_and_a_changed_object_are_seen_and_a_copy_is_the_same(
    feed_of: Callable[..., Feed], bucket: Any
) -> None:
    bucket.put_object(Key="contacts/a.csv", Body=b"id,at\n1,x\n")
    [first] = find_files(feed_of())
    mark, content = first.fingerprint(), first.content_hash()
    assert first.is_settled(2)  # the store's entity tag tells versions apart at once
    bucket.put_object(Key="contacts/b.csv", Body=b"id,at\n2,y\n")
    assert len(find_files(feed_of())) == 2
    bucket.put_object(Key="contacts/a.csv", Body=b"id,at\n1,x\n")
    assert first.fingerprint() == mark
    bucket.put_object(Key="contacts/a.csv", Body=b"id,at\n1,z\n")
    assert first.fingerprint() != mark
    assert find_files(feed_of())[0].content_hash() != content


def test_a_large_object_is_read_in_parts(feed_of: Callable[..., Feed], bucket: Any) -> None:
    lines = b"".join(b"%d,%s\n" % (n, b"x" * 80) for n in range(150_000))
    bucket.put_object(Key="contacts/a.csv", Body=b"id,at\n" + lines)
    assert len(rows(feed_of())) == 150_000


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            "s3://shop/contcts/*.csv",
            "no file matches shop/contcts/*.csv: the folder shop/contcts does not exist",
        ),
        ("s3://shop/contacts/b.csv", "there is no file shop/contacts/b.csv; did you mean a.csv?"),
        ("s3://shp/contacts/*.csv", "no file matches shp/contacts/*.csv"),
    ],
)
def test_objects_that_are_not_there_are_a_sentence(
    feed_of: Callable[..., Feed], bucket: Any, files: str, sentence: str
) -> None:
    bucket.put_object(Key="contacts/a.csv", Body=b"id,at\n1,x\n")
    with pytest.raises(InputError) as error:
        rows(feed_of(files))
    assert sentence in str(error.value)


def test_a_store_that_does_not_answer_is_a_sentence_without_secrets(
    feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"}
    given = {"conn_type": "aws", "login": "key", "password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", json.dumps(given))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError) as error:
        rows(feed_of())
    assert "s3://shop/contacts/*: the store does not answer as it should" in str(error.value)
    assert SECRET not in str(error.value)


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
