"""Who gets the digest: config/digest.yml."""

from pydantic import BaseModel, ConfigDict, Field

from rapport.campaigns.files import read_optional
from rapport.delivery.configuration import Address, HttpsUrl
from rapport.settings import Settings


class Digest(BaseModel):
    """config/digest.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipients: list[Address] = Field(default=[], description="E-mail addresses; none: no digest.")
    pages: HttpsUrl | None = Field(
        default=None, description="Where readers open Airflow, e.g. https://airflow.shop.example"
    )


def read_digest(settings: Settings) -> Digest:
    """Who gets the digest; nobody where there is no such file.

    Raises:
        ConfigurationError: a key or value of the file is wrong.
    """
    return read_optional(settings.config / "digest.yml", Digest) or Digest()
