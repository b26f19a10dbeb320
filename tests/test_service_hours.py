"""config/service.yml: when teams work and what they promise."""

import pytest

from rapport import dbt
from rapport.errors import ConfigurationError
from rapport.service_hours import read_service_hours
from rapport.settings import PROJECT, Settings

GOOD = """
calendars:
  office: {time_zone: Europe/Berlin, hours: {monday: ["09:00-12:30", "13:00-24:00"]}, holidays: [2026-01-01]}
default_calendar: office
teams: {second level: office}
targets: [{priority: high, first_reply_minutes: 60}]
"""


def test_hours_become_flat_lists_for_the_models(settings: Settings) -> None:
    (settings.config / "service.yml").write_text(GOOD)
    assert dbt.parameters(settings)["service_hours"] == {
        "calendars": [{"calendar": "office", "time_zone": "Europe/Berlin"}],
        "openings": [
            {"calendar": "office", "weekday": 1, "opens_minute": 540, "closes_minute": 750},
            {"calendar": "office", "weekday": 1, "opens_minute": 780, "closes_minute": 1440},
        ],
        "holidays": [{"calendar": "office", "holiday_date": "2026-01-01"}],
        "teams": [{"team": "second level", "calendar": "office"}],
        "default_calendar": "office",
        "targets": [
            {
                "position": 0,
                "priority": "high",
                "team": None,
                "first_reply_minutes": 60,
                "resolution_minutes": None,
            }
        ],
    }


def test_other_hours_are_another_view(settings: Settings) -> None:
    (settings.config / "service.yml").write_text(GOOD)
    before = dbt.view_hash(settings)
    (settings.config / "service.yml").write_text(GOOD.replace("09:00", "09:30"))
    assert dbt.view_hash(settings) != before


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ("Europe/Berlin", "Europe/Berlyn", "Europe/Berlyn is no time zone; write one like Europe/Berlin"),
        ("09:00-12:30", "22:00-06:00", "22:00-06:00 is no span of a day; .* a night as 22:00-24:00"),
        ("09:00-12:30", "9-17", "9-17 is no span of a day"),
        (
            "default_calendar: office",
            "default_calendar: ofice",
            "ofice is none of the calendars; did you mean office",
        ),
        ("priority: high", "prioritty: high", r"targets\.0\.prioritty is no key here"),
        ("first_reply_minutes: 60", "first_reply_minutes: 0", "greater than 0"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(
    settings: Settings, good: str, bad: str, sentence: str
) -> None:
    (settings.config / "service.yml").write_text(GOOD.replace(good, bad))
    with pytest.raises(ConfigurationError, match=rf"service\.yml: .*{sentence}"):
        read_service_hours(settings)


def test_the_hours_have_one_home(settings: Settings) -> None:
    (settings.config / "customer_view.yml").write_text("service_hours: {}\n")
    with pytest.raises(ConfigurationError, match=r"hours of the help desk are in config/service\.yml"):
        dbt.parameters(settings)


def test_the_shipped_hours_are_good() -> None:
    shipped = read_service_hours(Settings(PROJECT, PROJECT / "config", None, None, None))
    assert shipped is not None
    assert shipped.targets
