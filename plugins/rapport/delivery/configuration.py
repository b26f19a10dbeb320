"""Who the mails come from (config/sender.yml) and how they leave (config/delivery.yml)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rapport.campaigns.durations import Duration
from rapport.campaigns.files import FileMistakes, read_model
from rapport.errors import ConfigurationError
from rapport.settings import Settings


def _one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("one line of text without control characters is needed")
    if not value.strip():
        raise ValueError("it must not be empty")
    return value.strip()


def _https(value: str) -> str:
    if not value.startswith("https://") or any(character in value for character in " <>\"'?#"):
        raise ValueError("an address like https://shop.example/news is needed, without ? and #")
    return value


def _address(value: str) -> str:
    local, at, domain = value.partition("@")
    if not (local and at and "." in domain and value.isascii()) or any(c in value for c in ' <>,;:"'):
        raise ValueError("an e-mail address like hello@shop.example is needed")
    return value


Line = Annotated[str, AfterValidator(_one_line)]
HttpsUrl = Annotated[str, AfterValidator(_one_line), AfterValidator(_https)]
Address = Annotated[str, AfterValidator(_one_line), AfterValidator(_address)]


class Sender(BaseModel):
    """config/sender.yml. Templates read the fields as `sender.<field>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line = Field(description="The name that readers see.")
    address: Address = Field(description="The From address.")
    reply_to: Address = Field(description="Where answers go.")
    postal_address: Line = Field(
        description="The sender's postal address; the law asks for it in every mail."
    )
    website: HttpsUrl
    unsubscribe_url: HttpsUrl = Field(description="A token is added to it: https://shop.example/u")
    unsubscribe_address: Address = Field(description="Takes unsubscribe requests by mail.")


class FrequencyCap(BaseModel):
    """At most `messages` of all campaigns together to one recipient in any period of length `per`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: int = Field(ge=1)
    per: Duration


class Delivery(BaseModel):
    """config/delivery.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transport: Literal["local"] = "local"
    frequency_cap: FrequencyCap = FrequencyCap(messages=2, per=timedelta(days=7))


def read_sender(settings: Settings) -> Sender:
    """Raises ConfigurationError where the file is missing, or a field of it is, or is empty."""
    try:
        return read_model(settings.config / "sender.yml", Sender)
    except FileMistakes as mistakes:
        raise ConfigurationError(str(mistakes)) from None


def read_delivery(settings: Settings) -> Delivery:
    """The delivery rules; the defaults where there is no such file.

    Raises:
        ConfigurationError: a key or value of the file is wrong.
    """
    path = settings.config / "delivery.yml"
    if not path.exists():
        return Delivery()
    try:
        return read_model(path, Delivery)
    except FileMistakes as mistakes:
        sentence = str(mistakes).replace(
            "Input should be 'local'",
            "the local mailbox is the only transport there is; write transport: local",
        )
        raise ConfigurationError(sentence) from None
