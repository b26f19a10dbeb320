"""A bucket, `shop`, in each kind of object store, and the Airflow connection that opens it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import requests
from azure.storage.blob import BlobServiceClient
from fake_azure import AzureBlobs
from fake_google import GoogleStorage
from google.cloud import storage
from google.oauth2 import service_account
from moto.server import ThreadedMotoServer
from store_server import serving

WRONG_SECRET = "aHVudGVyMi92ZXJ5K3NlY3JldA=="


@dataclass(frozen=True)
class Bucket:
    """Filled by the vendor's own client. `wrong` is the connection with a secret that is not right."""

    scheme: str
    put: Callable[[str, bytes], Any]
    delete: Callable[[str], Any]
    names: Callable[[], list[str]]
    connection: dict[str, Any]
    wrong: dict[str, Any]

    def url(self, path: str) -> str:
        return f"{self.scheme}://shop/{path}"


def amazon() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    where = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    admin = {"aws_access_key_id": "any", "aws_secret_access_key": "any", **where}
    try:
        iam = boto3.client("iam", **admin)
        iam.create_user(UserName="loader")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="loader", PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName="loader")["AccessKey"]
        resource = boto3.resource("s3", **admin)
        bucket = resource.create_bucket(Bucket="shop")
        given = {"conn_type": "aws", "login": key["AccessKeyId"], "extra": where}
        known = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        resource.meta.client.close()
        resource = boto3.resource("s3", **known, **where)
        bucket = resource.Bucket("shop")
        # From here on signatures are checked.
        requests.post(f"{where['endpoint_url']}/moto-api/reset-auth", data="0", timeout=10)
        yield Bucket(
            "s3",
            lambda name, content: bucket.put_object(Key=name, Body=content),
            lambda name: bucket.Object(name).delete(),
            lambda: [found.key for found in bucket.objects.all()],
            {**given, "password": key["SecretAccessKey"]},
            {**given, "password": WRONG_SECRET},
        )
        resource.meta.client.close()
        iam.close()
    finally:
        # What moto holds, it holds for the process.
        requests.post(f"{where['endpoint_url']}/moto-api/reset-auth", data="inf", timeout=10)
        requests.post(f"{where['endpoint_url']}/moto-api/reset", timeout=10)
        server.stop()


def google() -> Iterator[Bucket]:
    with serving(GoogleStorage()) as store:
        key = store.key_file()
        credentials = service_account.Credentials.from_service_account_info(key)
        client = storage.Client("shop-1", credentials, client_options={"api_endpoint": store.url})
        bucket = client.bucket("shop")
        given = {"conn_type": "google_cloud_platform"}
        wrong = {**key, "private_key": GoogleStorage().key_file()["private_key"]}
        where = {"endpoint_url": store.url, "project": "shop-1"}
        yield Bucket(
            "gs",
            lambda name, content: bucket.blob(name).upload_from_string(content),
            lambda name: bucket.blob(name).delete(),
            lambda: [found.name for found in bucket.list_blobs()],
            {**given, "extra": {**where, "keyfile_dict": json.dumps(key)}},
            {**given, "extra": {**where, "keyfile_dict": json.dumps(wrong)}},
        )
        client.close()
        assert [said for said in store.complaints if "invalid_grant" not in said] == []


def azure() -> Iterator[Bucket]:
    with serving(AzureBlobs()) as store:
        service = BlobServiceClient.from_connection_string(store.connection_string())
        container = service.get_container_client("shop")
        given = {"conn_type": "wasb", "host": f"{store.url}/devstoreaccount1", "login": "devstoreaccount1"}
        yield Bucket(
            "az",
            lambda name, content: container.upload_blob(name, content, overwrite=True),
            lambda name: container.delete_blob(name),
            lambda: [found.name for found in container.list_blobs()],
            {**given, "password": store.key},
            {**given, "password": WRONG_SECRET},
        )
        service.close()
        assert [said for said in store.complaints if "AuthenticationFailed" not in said] == []


STORES = {"s3": amazon, "gs": google, "az": azure}
