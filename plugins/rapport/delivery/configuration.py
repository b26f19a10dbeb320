"""Who the mails come from (config/sender.yml) and how they leave (config/delivery.yml)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rapport.campaigns.durations import Duration
from rapport.campaigns.files import FileMistakes, read_model, read_optional
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
    """At most `messages` of the class's campaigns together to one recipient in any period of length `per`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    messages: int = Field(ge=1)
    per: Duration


class Topic(BaseModel):
    """A subject that people consent to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = Field(default=None, description="What the preferences page calls it.")
    double_opt_in: bool = Field(default=False, description="Only a confirmed consent counts.")


class ServiceTrouble(BaseModel):
    """What campaigns with a `service_hold` wait for, beside open tickets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lasts: Duration = Field(
        default=timedelta(days=14), description="How long a missed reply target or a bad rating counts."
    )
    csat_at_most: float = Field(default=2, description="A CSAT of 1 to 5 that is bad.")
    nps_at_most: float = Field(default=6, description="An NPS of 0 to 10 that is bad.")


class Smtp(BaseModel):
    """A mail server. Its user and password are in RAPPORT_SMTP_USER and RAPPORT_SMTP_PASSWORD."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"


class SendGrid(BaseModel):
    """SendGrid's account. Its key is in SENDGRID_API_KEY, those that sign events in RAPPORT_WEBHOOK_KEYS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="https://api.sendgrid.com", description="http only for 127.0.0.1.")
    render: Literal["single", "shape"] = Field(
        default="single", description="`shape` needs what `rapport delivery probe` has proven."
    )
    open_tracking_topic: str | None = Field(
        default=None, description="The consent topic that allows to see opens; none: they are never tracked."
    )


class Delivery(BaseModel):
    """config/delivery.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transport: Literal["local", "smtp", "sendgrid"] = "local"
    smtp: Smtp = Smtp()
    sendgrid: SendGrid = SendGrid()
    per_second: float = Field(
        default=500, gt=0, description="Mails a second, of all senders together; not for the local mailbox."
    )
    allow_recipients: list[str] = Field(
        default=[], description="Domains; while one is listed nobody else gets mail over smtp or sendgrid."
    )
    caps: dict[str, FrequencyCap] = Field(
        default={"marketing": FrequencyCap(messages=2, per=timedelta(days=7))},
        description="How often at most, by the class that a campaign names.",
    )
    topics: dict[str, Topic] = Field(default={}, description="What differs from a plain topic, by name.")
    service_trouble: ServiceTrouble = ServiceTrouble()
    sunset_after: Duration | None = Field(
        default=None,
        description="Nobody is mailed who has not ordered, come, clicked or consented for so long.",
        examples=["180d"],
    )
    global_holdout: float = Field(
        default=0, ge=0, le=0.2, description="The share that gets no campaign at all, to see what all earn."
    )


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
    return read_optional(settings.config / "delivery.yml", Delivery) or Delivery()
