"""The token in an unsubscribe link: names a recipient key and a topic, holds no address, cannot be forged.

`<content>.<proof>` in base64 for URLs: the id of the key that signed it, the recipient key and the topic, and
their HMAC-SHA256. It never expires: mails are kept for years, and a link in any of them has to work.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from dataclasses import dataclass, field
from functools import lru_cache

from rapport.audiences.recipients import SHORTEST_SECRET, RecipientKey
from rapport.errors import ConfigurationError
from rapport.settings import Settings

_PURPOSE = b"rapport unsubscribe\0"
LONGEST_TOKEN = 1000


@dataclass(frozen=True)
class Unsubscription:
    """What a token is about."""

    recipient_key: str
    topic: str


@dataclass(frozen=True)
class UnsubscribeKeys:
    """The secrets behind the tokens: the first signs, all are accepted."""

    secrets: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Settings, recipient_key: RecipientKey | None) -> "UnsubscribeKeys":
        """RAPPORT_UNSUBSCRIBE_KEYS, then the recipient key, which signs where there is no other.

        Raises:
            ConfigurationError: a key is too short to be a secret, or there is none at all.
        """
        for place, key in enumerate(settings.unsubscribe_keys, start=1):
            if len(key) < SHORTEST_SECRET:
                raise ConfigurationError(
                    f"RAPPORT_UNSUBSCRIBE_KEYS: key {place} has {len(key)} characters; it needs at least "
                    f"{SHORTEST_SECRET}, for example what `openssl rand -hex 32` prints"
                )
        own = [key.encode() for key in settings.unsubscribe_keys]
        secrets = (*own, recipient_key.secret) if recipient_key else tuple(own)
        if not secrets:
            raise ConfigurationError("no key signs unsubscribe links; set RAPPORT_UNSUBSCRIBE_KEYS")
        return cls(secrets)

    @property
    def signing(self) -> bytes:
        """The secret of new tokens."""
        return self.secrets[0]

    def read(self, token: str) -> Unsubscription | None:
        """What the token is about; None where it is not exactly a token that one of the keys made."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        try:
            content = urlsafe_b64decode(token.partition(".")[0] + "==").decode()
            key_id, recipient_key, topic = content.split("\0")
        except (NoBase64, ValueError):
            return None
        for secret in self.secrets:
            # The whole text is compared: base64 has several spellings of the same bytes.
            expected = unsubscribe_token(secret, recipient_key, topic)
            if _key_id(secret) == key_id and hmac.compare_digest(expected.encode(), token.encode()):
                return Unsubscription(recipient_key, topic)
        return None


def unsubscribe_token(secret: bytes, recipient_key: str, topic: str) -> str:
    """A token that never expires: what it is about, and an HMAC-SHA256 of that."""
    content = f"{_key_id(secret)}\0{recipient_key}\0{topic}".encode()
    proof = hmac.digest(secret, _PURPOSE + content, "sha256")
    return f"{_text(content)}.{_text(proof)}"


@lru_cache(maxsize=16)
def _key_id(secret: bytes) -> str:
    return hmac.digest(secret, b"rapport unsubscribe: key id", "sha256").hex()[:8]


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
