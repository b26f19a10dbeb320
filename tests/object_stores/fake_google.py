"""Google Cloud Storage: the calls of its JSON API that readers and writers of objects make, and the exchange
of a service account's signed claim for a token.

https://cloud.google.com/storage/docs/json_api/v1 and
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import base64
import hashlib
import json
import re
import secrets
from datetime import UTC, datetime
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from store_server import Answer, Asked, ObjectStore, Refusal, Stored, byte_range, expect

ACCOUNT = "loader@shop.iam.gserviceaccount.com"
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = "https://www.googleapis.com/auth/"
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
LISTING = {
    "delimiter",
    "prefix",
    "maxResults",
    "pageToken",
    "versions",
    "projection",
    "prettyPrint",
    "fields",
}


class GoogleStorage(ObjectStore):
    """Only who has shown the key of `ACCOUNT` gets a token, and only who shows that gets an object."""

    def __init__(self) -> None:
        super().__init__()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._token = secrets.token_urlsafe()

    def key_file(self) -> dict[str, str]:
        """The service account's key as Google hands it out, but for where tokens are."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {
            "type": "service_account",
            "project_id": "shop-1",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }

    def refusal(self, refusal: Refusal) -> Answer:
        return _json({"error": {"code": refusal.status, "message": str(refusal)}}, refusal.status)

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            return self._exchange(asked)
        expect(asked.headers.get("authorization") == f"Bearer {self._token}", "Invalid Credentials", 401)
        if asked.path == "/batch/storage/v1":
            return self._batch(asked)
        place, _, rest = asked.path.partition("/b/shop")
        expect(bool(rest) or asked.path.endswith("/b/shop"), "there is no such bucket", 404)
        match (asked.method, place, rest.split("/")[1:]):
            case ("GET", "/storage/v1", []):
                return _json({"kind": "storage#bucket", "name": "shop"})
            case ("GET", "/storage/v1", ["o"]):
                return self._list(asked.query)
            case ("POST" | "PUT", "/upload/storage/v1", ["o"]):
                return self._upload(asked)
            case ("GET", "/storage/v1" | "/download/storage/v1", ["o", name]):
                return self._get(unquote(name), asked)
            case ("DELETE", "/storage/v1", ["o", name]):
                return self._delete(unquote(name))
            case ("POST", "/storage/v1", ["o", name, "moveTo", "o", target]):
                return self._move(unquote(name), unquote(target))
        raise Refusal(f"no such method: {asked.method} {asked.path}", 404)

    def _exchange(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        expect(form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type")
        try:
            claim = jwt.decode(form["assertion"], self._key.public_key(), ["RS256"], audience=AUDIENCE)
        except jwt.InvalidTokenError:
            raise Refusal("invalid_grant", 401) from None
        expect(claim["iss"] == ACCOUNT and claim["exp"] - claim["iat"] <= 3600, "invalid_grant", 401)
        expect(all(scope.startswith(SCOPES) for scope in claim["scope"].split()), "invalid_scope")
        return _json({"access_token": self._token, "expires_in": 3599, "token_type": "Bearer"})

    def _list(self, query: dict[str, str]) -> Answer:
        expect(set(query) <= LISTING, f"unknown parameters: {sorted(set(query) - LISTING)}")
        size = min(int(query.get("maxResults", 1000)), self.page_size)
        expect(size > 0, "maxResults must be positive")
        entries = self.entries(query.get("prefix", ""), query.get("delimiter", ""))
        start = int(query.get("pageToken", 0))
        page = entries[start : start + size]
        listing: dict[str, Any] = {"kind": "storage#objects"}
        for name, is_prefix in page:
            listing.setdefault("prefixes" if is_prefix else "items", []).append(
                name if is_prefix else _resource(name, self.objects[name])
            )
        if start + size < len(entries):
            listing["nextPageToken"] = str(start + size)
        return _json(listing)

    def _get(self, name: str, asked: Asked) -> Answer:
        stored = self.objects.get(name)
        if stored is None or asked.query.get("generation", str(stored.version)) != str(stored.version):
            return self.refusal(Refusal(f"No such object: shop/{name}", 404))
        if asked.query.get("alt", "json") == "json":
            return _json(_resource(name, stored))
        resource = _resource(name, stored)
        headers = {
            "Content-Type": stored.content_type,
            "ETag": resource["etag"],
            "X-Goog-Generation": resource["generation"],
            "X-Goog-Hash": f"crc32c={resource['crc32c']},md5={resource['md5Hash']}",
        }
        if "range" not in asked.headers:
            return Answer(200, stored.content, headers)
        size = len(stored.content)
        wanted = byte_range(asked.headers["range"], size)
        if wanted is None:
            return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
        start, end = wanted
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return Answer(206, stored.content[start:end], headers)

    def _upload(self, asked: Asked) -> Answer:
        match asked.query.get("uploadType"):
            case "multipart":
                described, kind, content = _related(asked)
                return _json(_resource(described["name"], self.write(described["name"], content, kind)))
            case "resumable" if "upload_id" not in asked.query:
                name = json.loads(asked.body)["name"]
                self.write(f"\0{name}", b"", asked.headers["x-upload-content-type"])
                where = f"{self.url}{asked.path}?uploadType=resumable&upload_id={name}"
                return Answer(200, b"", {"Location": where})
            case "resumable":
                return self._next_part(asked, asked.query["upload_id"])
        raise Refusal("uploadType must be multipart or resumable")

    def _next_part(self, asked: Asked, name: str) -> Answer:
        written = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", asked.headers["content-range"])
        so_far = self.objects[f"\0{name}"]
        expect(written is not None, "no Content-Range")
        first, last, total = written.groups() if written else ("", "", "")
        expect(int(first) == len(so_far.content), "a part is missing", 503)
        expect(int(last) - int(first) + 1 == len(asked.body), "the part has another length")
        expect(total != "*" or len(asked.body) % (256 << 10) == 0, "parts are multiples of 256 KiB")
        content = so_far.content + asked.body
        if total == "*" or len(content) < int(total):
            self.write(f"\0{name}", content, so_far.content_type)
            return Answer(308, b"", {"Range": f"bytes=0-{len(content) - 1}"})
        del self.objects[f"\0{name}"]
        return _json(_resource(name, self.write(name, content, so_far.content_type)))

    def _delete(self, name: str) -> Answer:
        if self.objects.pop(name, None) is None:
            return self.refusal(Refusal(f"No such object: shop/{name}", 404))
        return Answer(204)

    def _move(self, name: str, target: str) -> Answer:
        stored = self.objects.pop(name, None)
        if stored is None:
            return self.refusal(Refusal(f"No such object: shop/{name}", 404))
        return _json(_resource(target, self.write(target, stored.content, stored.content_type)))

    def _batch(self, asked: Asked) -> Answer:
        parts = []
        for part in _parts(asked):
            line = part.get_payload().strip().splitlines()[0]  # type: ignore[union-attr]
            method, path, _ = line.split(" ")
            headers = {"authorization": asked.headers["authorization"]}
            answer = self.answer(Asked(method, path, {}, headers))
            status = {204: "No Content", 404: "Not Found"}[answer.status]
            parts.append(
                f"Content-Type: application/http\r\n\r\nHTTP/1.1 {answer.status} {status}\r\n"
                f"Content-Type: application/json\r\n\r\n{answer.body.decode()}\r\n"
            )
        body = "".join(f"--batch_1\r\n{part}" for part in parts) + "--batch_1--"
        return Answer(200, body.encode(), {"Content-Type": "multipart/mixed; boundary=batch_1"})


def _parts(asked: Asked) -> list[Any]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + asked.body)
    expect(message.is_multipart(), "a body of several parts is expected")
    return list(message.get_payload())


def _related(asked: Asked) -> tuple[dict[str, Any], str, bytes]:
    """What a multipart upload says of the object, its type and its content, byte by byte."""
    boundary = asked.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    _, described, content, end = re.split(rb"(?:\r?\n|^)--" + re.escape(boundary), asked.body)
    expect(end.strip() == b"--", "the body does not end")
    about = json.loads(re.split(rb"\r?\n\r?\n", described, maxsplit=1)[1])
    head, plain = re.split(rb"\r?\n\r?\n", content, maxsplit=1)
    return about, head.decode().partition(":")[2].strip(), plain


def _resource(name: str, stored: Stored) -> dict[str, str]:
    moment = WRITTEN.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stored.version:03d}Z"
    return {
        "kind": "storage#object",
        "id": f"shop/{name}/{stored.version}",
        "name": name,
        "bucket": "shop",
        "generation": str(stored.version),
        "metageneration": "1",
        "contentType": stored.content_type,
        "size": str(len(stored.content)),
        "md5Hash": base64.b64encode(hashlib.md5(stored.content).digest()).decode(),
        "crc32c": base64.b64encode(_crc32c(stored.content)).decode(),
        "etag": base64.b64encode(f"{stored.version}/1".encode()).decode(),
        "timeCreated": moment,
        "updated": moment,
    }


def _crc32c(content: bytes) -> bytes:
    import google_crc32c

    return int(google_crc32c.value(content)).to_bytes(4, "big")


def _json(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})
