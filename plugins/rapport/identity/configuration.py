"""config/identity.yml: what never links, when an identifier is shared, which addresses are one mailbox."""

import json
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rapport.campaigns.files import read_optional
from rapport.settings import Settings


def _pattern(value: str) -> str:
    text = value.strip()
    if not text.strip("*?/"):
        raise ValueError(f"{value!r} would match everything; name what a placeholder looks like")
    if len(text) > 1 and text[0] == text[-1] == "/":
        try:
            re.compile(text[1:-1])
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return text


def _domain(value: str) -> str:
    text = value.strip().lower()
    if "@" in text or "." not in text or " " in text:
        raise ValueError(f"{value!r} is no domain; write it like gmail.com")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Domain = Annotated[str, AfterValidator(_domain)]

_NOBODY = ("/[0-]+/", "n/a", "na", "none", "null", "nan", "unknown", "-")


class Guard(BaseModel):
    """How many distinct strong identifiers of one kind an identifier may be seen with and still link."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    links: int = Field(default=5, ge=1, description="For every kind without a limit of its own.")
    customer_number: int | None = Field(default=None, ge=1)
    contact: int | None = Field(default=None, ge=1)
    email: int | None = Field(default=None, ge=1)
    phone: int | None = Field(default=None, ge=1)
    device: int | None = Field(default=None, ge=1)

    def limit(self, kind: str) -> int:
        """The limit of a kind of identifier."""
        own: int | None = getattr(self, kind)
        return self.links if own is None else own


class Placeholders(BaseModel):
    """By kind, patterns of values that name nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    email: tuple[Pattern, ...] = (
        "test@*",
        "noreply@*",
        "no-reply@*",
        "no_reply@*",
        "donotreply@*",
        "do-not-reply@*",
        "unknown@*",
        "none@*",
        "noemail@*",
        "no-email@*",
        "nobody@*",
        "guest@*",
        "anonymous@*",
        "n/a@*",
        "*@localhost",
    )
    phone: tuple[Pattern, ...] = ("*000000", "*123456789")
    customer_number: tuple[Pattern, ...] = (*_NOBODY, "guest")
    contact: tuple[Pattern, ...] = _NOBODY
    device: tuple[Pattern, ...] = (*_NOBODY, "undefined")

    def expression(self, kind: str) -> str | None:
        """One regular expression that the whole value matches where it is a placeholder; None: nothing is."""
        patterns: tuple[str, ...] = getattr(self, kind)
        return "|".join(_expression(pattern) for pattern in patterns) or None


class Folding(BaseModel):
    """What the mail server of a domain ignores in an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plus_tags: bool = False
    dots: bool = False


class Identity(BaseModel):
    """config/identity.yml. `own_addresses` are those of config/sender.yml; they name nobody either."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    guard: Guard = Guard()
    placeholders: Placeholders = Placeholders()
    email_folding: dict[Domain, Folding] = {}

    def content(self) -> str:
        """Everything that decides who is who, as one text; two that are equal decide alike."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def read_identity(settings: Settings) -> Identity:
    """The rules of who is who; the defaults where there is no such file.

    The sender's own addresses are placeholders.

    Raises:
        ConfigurationError: a key or value of the file is wrong.
    """
    identity = read_optional(settings.config / "identity.yml", Identity) or Identity()
    return _with_own_addresses(identity, settings)


def _with_own_addresses(identity: Identity, settings: Settings) -> Identity:
    from rapport.delivery.configuration import read_sender

    if not (settings.config / "sender.yml").exists():
        return identity
    sender = read_sender(settings)
    own = {address.lower() for address in (sender.address, sender.reply_to, sender.unsubscribe_address)}
    emails = (*identity.placeholders.email, *sorted(own - set(identity.placeholders.email)))
    placeholders = identity.placeholders.model_copy(update={"email": emails})
    return identity.model_copy(update={"placeholders": placeholders})


def _expression(pattern: str) -> str:
    if len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
        return f"(?:{pattern[1:-1]})"
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
