"""Signs events as SendGrid's Signed Event Webhook does: ECDSA, P-256, SHA-256 over time and body."""

from base64 import b64encode
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rapport.secret_files import secret

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


class SigningKey:
    """A key pair whose private half is in a file; the first use makes it."""

    def __init__(self, file: Path) -> None:
        key = serialization.load_pem_private_key(secret(file, _new_key).encode(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), f"{file} holds a key of another kind"
        self._key = key

    @property
    def public_key(self) -> str:
        """As SendGrid shows it, and RAPPORT_WEBHOOK_KEYS takes it: base64 of the SPKI in DER."""
        return b64encode(
            self._key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).decode()

    def headers(self, body: bytes, timestamp: int) -> dict[str, str]:
        """The two headers that prove a body."""
        proof = self._key.sign(str(timestamp).encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: b64encode(proof).decode(), TIMESTAMP: str(timestamp)}


def _new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
