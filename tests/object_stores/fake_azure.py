"""Azure Blob Storage: the REST calls that readers and writers of blobs make, signed with the account's key.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api and
https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from store_server import Answer, Asked, ObjectStore, Refusal, Stored, byte_range, expect

ACCOUNT = "devstoreaccount1"
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
XML = '<?xml version="1.0" encoding="utf-8"?>'
SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class AzureBlobs(ObjectStore):
    """Where emulators are: the account is the first part of a path."""

    def __init__(self) -> None:
        super().__init__()
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._blocks: dict[str, dict[str, bytes]] = {}

    def connection_string(self, key: str | None = None) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key or self.key};"
            f"BlobEndpoint={self.url}/{ACCOUNT};"
        )

    def refusal(self, refusal: Refusal) -> Answer:
        code, _, reason = str(refusal).partition(":")
        body = f"{XML}<Error><Code>{code}</Code><Message>{reason}</Message></Error>"
        return Answer(
            refusal.status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"}
        )

    def answer(self, asked: Asked) -> Answer:
        self._authorize(asked)
        expect("x-ms-version" in asked.headers, "MissingRequiredHeader: x-ms-version")
        _, account, container, *rest = asked.path.split("/")
        expect(account == ACCOUNT, "ResourceNotFound: no such account", 404)
        if container != "shop":
            return self.refusal(Refusal("ContainerNotFound: it does not exist", 404))
        name = unquote("/".join(rest))
        match (asked.method, asked.query.get("comp"), bool(name)):
            case ("GET", "list", False):
                return self._list(asked.query)
            case ("GET" | "HEAD", None, False):
                expect(asked.query.get("restype") == "container", "InvalidQueryParameterValue: restype")
                return Answer(200, b"", _times(1))
            case ("GET" | "HEAD", None, True):
                return self._get(name, asked)
            case ("PUT", None, True):
                return self._put(name, asked)
            case ("PUT", "block", True):
                self._blocks.setdefault(name, {})[asked.query["blockid"]] = asked.body
                return Answer(201)
            case ("PUT", "blocklist", True):
                return self._commit(name, asked)
            case ("DELETE", None, True):
                found = self.objects.pop(name, None)
                return Answer(202) if found else self._not_found()
        raise Refusal(f"UnsupportedHttpVerb: {asked.method} {asked.path}", 405)

    def _authorize(self, asked: Asked) -> None:
        """The signature is over all that the documentation names, in its order, and not old."""
        headers, failed = asked.headers, "AuthenticationFailed: the signature is wrong"
        moment = parsedate_to_datetime(headers["x-ms-date"])
        expect(abs(datetime.now(UTC) - moment) < timedelta(minutes=15), failed, 403)
        told = {**headers, "date": "" if "x-ms-date" in headers else headers.get("date", "")}
        if told.get("content-length") == "0":
            told["content-length"] = ""
        own = sorted(name for name in headers if name.startswith("x-ms-"))
        lines = [asked.method, *(told.get(name, "") for name in SIGNED)]
        lines += [f"{name}:{headers[name].strip()}" for name in own]
        lines += [f"/{ACCOUNT}{asked.path}"]
        lines += [f"{name.lower()}:{value}" for name, value in sorted(asked.query.items())]
        digest = hmac.digest(base64.b64decode(self.key), "\n".join(lines).encode(), "sha256")
        right = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        expect(hmac.compare_digest(headers.get("authorization", ""), right), failed, 403)

    def _list(self, query: dict[str, str]) -> Answer:
        known = {"restype", "comp", "prefix", "delimiter", "marker", "include", "maxresults"}
        expect(set(query) <= known, f"InvalidQueryParameterValue: {sorted(set(query) - known)}")
        expect(query.get("restype") == "container", "InvalidQueryParameterValue: restype")
        entries = self.entries(query.get("prefix", ""), query.get("delimiter", ""))
        start = int(query.get("marker") or 0)
        size = min(int(query.get("maxresults", 5000)), self.page_size)
        written = "".join(
            f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
            if is_prefix
            else _blob(name, self.objects[name])
            for name, is_prefix in entries[start : start + size]
        )
        following = str(start + size) if start + size < len(entries) else ""
        body = (
            f'{XML}<EnumerationResults ServiceEndpoint="{self.url}/{ACCOUNT}" ContainerName="shop">'
            f"<Blobs>{written}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        )
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _get(self, name: str, asked: Asked) -> Answer:
        stored = self.objects.get(name)
        if stored is None:
            return self._not_found()
        size = len(stored.content)
        headers = {
            **_times(stored.version),
            "Content-Type": stored.content_type,
            "x-ms-blob-type": "BlockBlob",
            "Accept-Ranges": "bytes",
        }
        if asked.method == "HEAD":
            return Answer(200, b"", {**headers, "Content-Length": str(size)})
        expect(asked.headers.get("if-match", headers["ETag"]) == headers["ETag"], "ConditionNotMet: ", 412)
        written = asked.headers.get("x-ms-range") or asked.headers.get("range")
        if written is None:
            return Answer(200, stored.content, headers)
        wanted = byte_range(written, size)
        if wanted is None:
            return Answer(416, b"", {"x-ms-error-code": "InvalidRange", "Content-Range": f"bytes */{size}"})
        start, end = wanted
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return Answer(206, stored.content[start:end], headers)

    def _put(self, name: str, asked: Asked) -> Answer:
        source = asked.headers.get("x-ms-copy-source")
        if source is not None:
            origin = unquote(urlsplit(source).path).removeprefix(f"/{ACCOUNT}/shop/")
            found = self.objects.get(origin)
            if found is None:
                return self._not_found()
            copied = self.write(name, found.content, found.content_type)
            return Answer(
                202, b"", {**_times(copied.version), "x-ms-copy-id": "1", "x-ms-copy-status": "success"}
            )
        expect(asked.headers.get("x-ms-blob-type") == "BlockBlob", "InvalidHeaderValue: x-ms-blob-type")
        if asked.headers.get("if-none-match") == "*" and name in self.objects:
            return self.refusal(Refusal("BlobAlreadyExists: ", 409))
        kind = asked.headers.get("x-ms-blob-content-type", "application/octet-stream")
        return Answer(201, b"", _times(self.write(name, asked.body, kind).version))

    def _commit(self, name: str, asked: Asked) -> Answer:
        blocks = self._blocks.pop(name, {})
        ids = [element.text or "" for element in ElementTree.fromstring(asked.body)]
        expect(set(ids) <= set(blocks), "InvalidBlockList: a block was never sent")
        content = b"".join(blocks[block] for block in ids)
        return Answer(201, b"", _times(self.write(name, content, "application/octet-stream").version))

    def _not_found(self) -> Answer:
        return self.refusal(Refusal("BlobNotFound: The specified blob does not exist.", 404))


def _times(version: int) -> dict[str, str]:
    moment = format_datetime(WRITTEN + timedelta(seconds=version), usegmt=True)
    return {"ETag": f'"0x8DE{version:012X}"', "Last-Modified": moment, "x-ms-creation-time": moment}


def _blob(name: str, stored: Stored) -> str:
    told = _times(stored.version)
    digest = base64.b64encode(hashlib.md5(stored.content).digest()).decode()
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{told['x-ms-creation-time']}</Creation-Time>"
        f"<Last-Modified>{told['Last-Modified']}</Last-Modified><Etag>{told['ETag'].strip(chr(34))}</Etag>"
        f"<Content-Length>{len(stored.content)}</Content-Length><Content-Type>{stored.content_type}</Content-Type>"
        f"<Content-MD5>{digest}</Content-MD5><BlobType>BlockBlob</BlobType></Properties><Metadata /></Blob>"
    )
