"""When each team works and what it promises (config/service.yml), for models that count business minutes."""

import re
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rapport.campaigns.files import nearest, read_optional
from rapport.settings import Settings

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"{value} is no time zone; write one like Europe/Berlin")
    return value


def minutes_of(opening: str) -> tuple[int, int]:
    """`09:00-17:30` as minutes since local midnight, the end exclusive; 24:00 ends a day.

    Raises:
        ValueError: it is no such span of one day.
    """
    found = re.fullmatch(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", opening)
    opens, closes = (
        (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (1, 0)
    )
    if not opens < closes <= 24 * 60:
        raise ValueError(
            f"{opening} is no span of a day; write one like 09:00-17:00, and a night as 22:00-24:00 "
            "and 00:00-06:00 of the next day"
        )
    return opens, closes


def _opening(value: str) -> str:
    minutes_of(value)
    return value


class WorkingCalendar(BaseModel):
    """The hours of a week by the wall clock of a time zone, and the days on which nobody works."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: Annotated[str, AfterValidator(_time_zone)]
    hours: dict[Weekday, list[Annotated[str, AfterValidator(_opening)]]] = Field(min_length=1)
    holidays: list[date] = []


class Target(BaseModel):
    """What is promised, in business minutes; a field that is missing means any."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: str | None = None
    team: str | None = None
    first_reply_minutes: int | None = Field(default=None, gt=0)
    resolution_minutes: int | None = Field(default=None, gt=0)


class ServiceHours(BaseModel):
    """config/service.yml. Of the targets, the first that fits a ticket is its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calendars: dict[str, WorkingCalendar] = Field(min_length=1)
    default_calendar: str
    teams: dict[str, str] = {}
    targets: list[Target] = []

    @model_validator(mode="after")
    def _calendars_exist(self) -> "ServiceHours":
        for name in (self.default_calendar, *self.teams.values()):
            if name not in self.calendars:
                raise ValueError(f"{name} is none of the calendars{nearest(name, list(self.calendars))}")
        return self

    def as_variable(self) -> dict[str, Any]:
        """The dbt variable `service_hours`: flat lists; weekdays from 1 (Monday), minutes from midnight."""
        return {
            "calendars": [
                {"calendar": name, "time_zone": calendar.time_zone}
                for name, calendar in self.calendars.items()
            ],
            "openings": [
                {
                    "calendar": name,
                    "weekday": WEEKDAYS.index(weekday) + 1,
                    "opens_minute": minutes_of(opening)[0],
                    "closes_minute": minutes_of(opening)[1],
                }
                for name, calendar in self.calendars.items()
                for weekday, openings in calendar.hours.items()
                for opening in openings
            ],
            "holidays": [
                {"calendar": name, "holiday_date": day.isoformat()}
                for name, calendar in self.calendars.items()
                for day in calendar.holidays
            ],
            "teams": [{"team": team, "calendar": calendar} for team, calendar in self.teams.items()],
            "default_calendar": self.default_calendar,
            "targets": [
                {"position": position, **target.model_dump()} for position, target in enumerate(self.targets)
            ],
        }


def read_service_hours(settings: Settings) -> ServiceHours | None:
    """The file's content; None where there is none, and dbt_project.yml's default holds.

    Raises:
        ConfigurationError: a key or value of the file is wrong.
    """
    return read_optional(settings.config / "service.yml", ServiceHours)
