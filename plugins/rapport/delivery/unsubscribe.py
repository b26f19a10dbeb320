"""The token in an unsubscribe link: names a recipient key and a topic, holds no address, cannot be forged."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

_PURPOSE = b"rapport unsubscribe\0"


def unsubscribe_token(secret: bytes, recipient_key: str, topic: str) -> str:
    """A token that never expires: what it is about, and an HMAC-SHA256 of that."""
    content = f"{recipient_key}\0{topic}".encode()
    proof = hmac.new(secret, _PURPOSE + content, hashlib.sha256).digest()
    return f"{_text(content)}.{_text(proof)}"


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
