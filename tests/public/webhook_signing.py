"""Signing webhook bodies as SendGrid does."""

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRIVATE_KEY = ec.derive_private_key(5, ec.SECP256R1())


def public_key(private_key: ec.EllipticCurvePrivateKey) -> str:
    """The verification key as SendGrid's settings page shows it."""
    der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


PUBLIC_KEY = public_key(PRIVATE_KEY)


def signed(
    body: bytes, key: ec.EllipticCurvePrivateKey = PRIVATE_KEY, timestamp: str = "1781000000"
) -> dict[str, str]:
    """The headers of a body."""
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "Content-Type": "application/json",
    }
