"""`POST /hooks/sendgrid`: signed events are stored as they came and answered once that is committed."""

import asyncio
import logging
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fastapi import Request, Response

from rapport.errors import ConfigurationError
from rapport.public.database import Database
from rapport.public.failures import FailureLimit

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
LARGEST_BODY = 5 * 2**20
MOST_AT_ONCE = 200 * 2**20  # bytes of bodies that are not verified yet, of all requests together
BODY_SECONDS = 30
log = logging.getLogger(__name__)


class BodyTooLarge(Exception):
    """More bytes than the limit."""


class TooMuchAtOnce(Exception):
    """More bytes of all requests together than this process holds."""


@dataclass(frozen=True)
class WebhookKeys:
    """The public keys with which SendGrid's accounts sign; several while one is being replaced."""

    keys: tuple[EllipticCurvePublicKey, ...]

    @classmethod
    def parse(cls, written: Sequence[str]) -> "WebhookKeys":
        """Keys as SendGrid shows them: base64 of a SubjectPublicKeyInfo.

        Raises:
            ConfigurationError: one of them is no such key.
        """
        return cls(tuple(_public_key(text, place) for place, text in enumerate(written, start=1)))

    def verify(self, signature: str, timestamp: str, body: bytes) -> bool:
        """Whether one of the keys signed this timestamp and these very bytes."""
        try:
            proof = b64decode(signature, validate=True)
        except (NoBase64, ValueError):
            return False
        signed = timestamp.encode() + body
        for key in self.keys:
            try:
                key.verify(proof, signed, ECDSA(SHA256()))
            except InvalidSignature:
                continue
            return True
        return False


def webhook(
    keys: WebhookKeys, database: Database, failures: FailureLimit
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 413 too large, 503 without keys or room, 403 not signed, 429 that too often, else 204.

    There is no window for replays: the same event counts once, whenever it comes.
    """

    room = Room()

    async def receive(request: Request) -> Response:
        try:
            refuse_large(request, LARGEST_BODY)
            if not keys.keys:
                return Response("no webhook key is configured", 503)
            body = await read_body(request, LARGEST_BODY, room)
        except BodyTooLarge:
            return Response("at most 5 MB", 413)
        except TooMuchAtOnce:
            return Response("too much at once", 503, {"Retry-After": "10"})
        except TimeoutError:
            return Response("the body did not come", 408)
        signature, timestamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        if not (signature and timestamp and keys.verify(signature, timestamp, body)):
            client = request.client.host if request.client else None
            if failures.is_exceeded_by(client):
                return Response("too many", 429, {"Retry-After": "60"})
            log.warning("a webhook of %d bytes was not signed by a key of RAPPORT_WEBHOOK_KEYS", len(body))
            return Response("not signed by a key we know", 403)
        await database.store_webhook(body)
        return Response(status_code=204)

    return receive


def refuse_large(request: Request, largest: int) -> None:
    """Raises BodyTooLarge where the request says itself that it is larger."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > largest:
        raise BodyTooLarge


class Room:
    """How many bytes of bodies are being read."""

    taken = 0


async def read_body(request: Request, largest: int, room: Room) -> bytes:
    """The raw body, as far as there is room for it.

    Raises:
        BodyTooLarge: it is larger.
        TooMuchAtOnce: all that are being read are.
        TimeoutError: it does not come.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                room.taken += len(part)
                if size > largest:
                    raise BodyTooLarge
                if room.taken > MOST_AT_ONCE:
                    raise TooMuchAtOnce
                parts.append(part)
    finally:
        room.taken -= size
    return b"".join(parts)


def _public_key(text: str, place: int) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except (NoBase64, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ConfigurationError(
            f"RAPPORT_WEBHOOK_KEYS: key {place} is no verification key of SendGrid's; "
            "it is one line of base64 that begins with MFkw"
        )
    return key
