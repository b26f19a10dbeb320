"""What a campaign is: the model behind config/campaigns/*.yml and its JSON Schema."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Annotated, Any

from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from rapport.campaigns.durations import Duration, parse_duration, write_duration
from rapport.delivery.configuration import Sender


def _cron(value: str) -> str:
    if len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError(
            f"{value!r} is no cron line; write five fields in UTC, like `0 9 * * 1` for Mondays at 9:00"
        )
    return value


def _re_entry(value: Any) -> timedelta | None:
    return None if value in (None, "never") else parse_duration(value)


ReEntry = Annotated[
    timedelta | None,
    BeforeValidator(_re_entry),
    PlainSerializer(lambda value: "never" if value is None else write_duration(value)),
    WithJsonSchema(
        {"type": "string", "pattern": "^(never|[1-9][0-9]{0,4}[mhdw])$", "examples": ["never", "90d"]}
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Audience(_Part):
    """Who: members of any of `include`, less members of any of `exclude`."""

    include: list[str] = Field(
        default=[], description="Segments; with a trigger `entering` its segment is the default."
    )
    exclude: list[str] = Field(default=[], description="Segments whose members get nothing.")


class Trigger(_Part):
    """When: at the slots of a schedule, or after entering a segment. One of the two."""

    schedule: Annotated[str, AfterValidator(_cron)] | None = Field(
        default=None, description="A cron line in UTC.", examples=["0 9 * * 1"]
    )
    entering: str | None = Field(default=None, description="A segment.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "Trigger":
        if (self.schedule is None) == (self.entering is None):
            raise ValueError("give either schedule or entering")
        return self


class CampaignFile(_Part):
    """One campaign: who gets which mail, when, and how often at most."""

    description: str = Field(min_length=1, description="One sentence: what it is for.")
    audience: Audience = Audience()
    trigger: Trigger
    topic: str = Field(
        pattern="^[a-z][a-z0-9_]*$", description="The consent topic that a recipient must have granted."
    )
    subject: str = Field(min_length=1, description="Jinja.")
    preheader: str = Field(min_length=1, description="Jinja. What inboxes show beside the subject.")
    template: str = Field(min_length=1, description="A file of config/templates.", examples=["welcome.mjml"])
    re_entry: ReEntry = Field(
        default=None,
        description="How long somebody who got it does not get it again: never (they get it once), or 90d.",
    )
    priority: int = Field(default=0, description="Campaigns with a higher number are planned first.")
    expires_after: Duration = Field(
        default=timedelta(days=2),
        description="A slot, an entry or a mail that is later than this is dropped.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> "CampaignFile":
        if not self.segments_included:
            raise ValueError("audience.include names no segment")
        return self

    @property
    def segments_included(self) -> list[str]:
        """The segments of which a recipient must be in at least one."""
        if not self.audience.include and self.trigger.entering:
            return [self.trigger.entering]
        return self.audience.include

    @property
    def member_segments(self) -> list[str]:
        """The segments whose columns templates read as `member.<column>`."""
        return [self.trigger.entering] if self.trigger.entering else self.segments_included


class Campaign(CampaignFile):
    """A campaign file, with its name and its template's source (includes expanded)."""

    name: str
    source: str

    def latest_slot(self, as_of: datetime) -> datetime | None:
        """The last slot of the schedule at or before `as_of`, unless it has expired by then."""
        if self.trigger.schedule is None:
            return None
        slot = croniter(self.trigger.schedule, as_of + timedelta(seconds=1)).get_prev(datetime)
        return slot if as_of - slot <= self.expires_after else None

    def content_hash(self, sender: Sender) -> str:
        """A hash of all that decides what the mail says: campaign, template and sender."""
        content = {"campaign": self.model_dump(mode="json"), "sender": sender.model_dump(mode="json")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def json_schema() -> str:
    """The JSON Schema of a campaign file, for editors; config/schema/campaign.json holds it."""
    schema = CampaignFile.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
