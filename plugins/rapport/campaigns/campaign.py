"""What a campaign is: the model behind config/campaigns/*.yml and its JSON Schema."""

import hashlib
import json
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

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

from rapport.campaigns.durations import Duration, Wait, parse_duration, write_duration
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


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value!r} is no time zone; write one like Europe/Berlin")
    return value


Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
Plain = bool | int | float | str
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZoneName = Annotated[str, AfterValidator(_zone)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """What a customer column must be. All tests given must hold; null fails each but `is_null`."""

    equals: Plain | None = None
    one_of: list[Plain] | None = Field(default=None, min_length=1, max_length=200)
    at_least: Plain | None = None
    at_most: Plain | None = None
    within: Duration | None = Field(default=None, description="A time, at most so long before the edition.")
    before: Duration | None = Field(default=None, description="A time, at least so long before the edition.")
    is_null: bool | None = None

    @model_validator(mode="after")
    def _some_test(self) -> "Condition":
        if not self.model_fields_set:
            raise ValueError(f"name a test: {', '.join(type(self).model_fields)}")
        return self


class Audience(_Part):
    """Who: members of any of `include`, less members of any of `exclude`, for whom all conditions hold."""

    include: list[str] = Field(
        default=[], description="Segments; with a trigger `entering` its segment is the default."
    )
    exclude: list[str] = Field(default=[], description="Segments whose members get nothing.")
    where: dict[str, Condition] = Field(
        default={},
        description="Conditions on columns of marts.customers.",
        examples=[{"order_count": {"at_least": 2}, "country": {"one_of": ["DE", "AT"]}}],
    )
    bought_within: Duration | None = Field(default=None, description="Only who ordered in this time.")
    not_bought_within: Duration | None = Field(default=None, description="Nobody who ordered in this time.")
    mailed_within: Duration | None = Field(default=None, description="Only who got any mail in this time.")
    not_mailed_within: Duration | None = Field(
        default=None, description="Nobody who got any mail in this time."
    )


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


class Content(_Part):
    """What a mail says. A variant or a step of a journey may leave out what the campaign says already."""

    subject: str | None = Field(default=None, min_length=1, description="Jinja.")
    preheader: str | None = Field(
        default=None, min_length=1, description="Jinja. What inboxes show beside the subject."
    )
    template: str | None = Field(
        default=None, min_length=1, description="A file of config/templates.", examples=["welcome.mjml"]
    )


class Step(Content):
    """A mail of a journey; `wait` is counted from the mail before it, for the first from entering."""

    name: Name
    wait: Wait = timedelta(0)


class Window(_Part):
    """The hours in which a recipient may be written to, by their own clock. `opens` is before `closes`."""

    opens: time = Field(examples=["09:00"])
    closes: time = Field(examples=["19:00"])
    days: list[Weekday] = Field(
        default=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], min_length=1, max_length=7
    )
    fallback_time_zone: ZoneName = Field(
        default="UTC", description="For recipients whose time zone is unknown.", examples=["Europe/Berlin"]
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Window":
        if self.opens >= self.closes:
            raise ValueError("opens must be before closes; a window does not go past midnight")
        return self


class Goal(_Part):
    """What the campaign is for: the event that converts somebody, within this time of the mail's due time."""

    event: Literal["order", "visit", "cart", "survey_response"] = "order"
    within: Duration = timedelta(days=14)
    return_period: Duration = Field(
        default=timedelta(days=14), description="After it the net revenue of an order no longer changes."
    )


class Limits(_Part):
    """Hard maxima. An edition that is larger is held; what is over the day's waits for the next."""

    per_edition: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)


class ServiceHold(_Part):
    """What becomes of somebody with an open ticket, a missed reply target or a bad rating.

    `wait`: their mail waits until that is over or it expires. `recovery`: it waits until they have got the
    recovery campaign's mail. `none`: nothing.
    """

    rule: Literal["wait", "recovery", "none"] = "none"
    campaign: str | None = Field(default=None, description="With `recovery`: the campaign that goes first.")

    @model_validator(mode="after")
    def _named(self) -> "ServiceHold":
        if (self.rule == "recovery") != (self.campaign is not None):
            raise ValueError("campaign belongs to rule: recovery, and that needs it")
        return self


class CampaignFile(_Part):
    """One campaign: who gets which mail, when, and how often at most."""

    description: str = Field(min_length=1, description="One sentence: what it is for.")
    audience: Audience = Audience()
    trigger: Trigger
    topic: str = Field(
        pattern="^[a-z][a-z0-9_]*$", description="The consent topic that a recipient must have granted."
    )
    subject: str | None = Field(default=None, min_length=1, description="Jinja.")
    preheader: str | None = Field(
        default=None, min_length=1, description="Jinja. What inboxes show beside the subject."
    )
    template: str | None = Field(
        default=None, min_length=1, description="A file of config/templates.", examples=["welcome.mjml"]
    )
    variants: dict[Name, Content] = Field(
        default={}, description="Equal shares of the recipients get each; leave out what does not differ."
    )
    journey: list[Step] = Field(
        default=[],
        description="With a trigger `entering`: mails one after another, until the goal is reached.",
    )
    holdout: float = Field(
        default=0, ge=0, le=0.9, description="The share that gets nothing, to see what the campaign earns."
    )
    voucher: str | None = Field(
        default=None, description="A pool of codes (`rapport vouchers import`); each message takes one."
    )
    re_entry: ReEntry = Field(
        default=None,
        description="How long somebody who got it does not get it again: never (they get it once), or 90d.",
    )
    cap: str = Field(default="marketing", description="A class of config/delivery.yml's `caps`.")
    priority: int = Field(default=0, description="Campaigns with a higher number are planned first.")
    window: Window | None = Field(default=None, description="None: at any hour.")
    approval: bool = Field(default=False, description="Whether a person must approve each edition.")
    approval_within: Duration = Field(
        default=timedelta(days=1), description="An edition that nobody approved in this time is not sent."
    )
    goal: Goal | None = None
    limits: Limits = Limits()
    service_hold: ServiceHold = ServiceHold()
    expires_after: Duration = Field(
        default=timedelta(days=2),
        description="A slot, an entry or a mail that is later than this is dropped.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> "CampaignFile":
        if not self.segments_included:
            raise ValueError("audience.include names no segment")
        return self

    @model_validator(mode="after")
    def _whole_mails(self) -> "CampaignFile":
        if self.journey and self.trigger.schedule:
            raise ValueError("a journey begins with entering a segment; write trigger: {entering: …}")
        if self.journey and self.goal is None:
            raise ValueError("a journey needs a goal; who reaches it gets no further mail")
        if self.journey and self.variants:
            raise ValueError("a journey has steps, no variants")
        names = [step.name for step in self.journey]
        if len(set(names)) != len(names):
            raise ValueError("two steps of the journey have one name")
        for mail, content in self.contents.items():
            for key in Content.model_fields:
                if getattr(content, key) is None:
                    raise ValueError(f"{key} is missing{f' in {mail[0] or mail[1]}' if any(mail) else ''}")
        return self

    @property
    def contents(self) -> dict[tuple[str, str], Content]:
        """Each different mail, whole, by (step, variant); "" where a campaign has none."""
        own = Content(subject=self.subject, preheader=self.preheader, template=self.template)
        mails: dict[tuple[str, str], Content] = {(step.name, ""): step for step in self.journey}
        mails |= {("", name): variant for name, variant in self.variants.items()}
        return {mail: _with(own, content) for mail, content in (mails or {("", ""): own}).items()}

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


def _with(own: Content, other: Content) -> Content:
    said = {key: getattr(other, key) for key in Content.model_fields if getattr(other, key) is not None}
    return own.model_copy(update=said)


class Campaign(CampaignFile):
    """A campaign file, with its name and its templates' sources (includes expanded), by file name."""

    name: str
    sources: dict[str, str]

    def mail(self, step: str = "", variant: str = "") -> tuple[str, str, str]:
        """Subject, preheader and template source of one of the campaign's mails."""
        content = self.contents[step, variant]
        return str(content.subject), str(content.preheader), self.sources[str(content.template)]

    def latest_slot(self, as_of: datetime) -> datetime | None:
        """The last slot of the schedule at or before `as_of`, unless it has expired by then."""
        if self.trigger.schedule is None:
            return None
        after = as_of.replace(microsecond=0) + timedelta(seconds=1)  # get_prev is of before, not at
        slot = croniter(self.trigger.schedule, after).get_prev(datetime)
        return slot if as_of - slot <= self.expires_after else None

    def content_hash(self, sender: Sender) -> str:
        """A hash of all that decides what the mail says: campaign, template and sender."""
        content = {"campaign": self.model_dump(mode="json"), "sender": sender.model_dump(mode="json")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def json_schema() -> str:
    """The JSON Schema of a campaign file, for editors; config/schema/campaign.json holds it."""
    schema = CampaignFile.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
