"""Business seconds by the macro and the model, against the wall clock read minute by minute."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import jinja2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from rapport.service_hours import WEEKDAYS, ServiceHours
from rapport.settings import PROJECT

# Clocks that change by an hour, by half of one, at midnight, around Ramadan, by a whole day, and never.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "UTC",
]
FIRST, AS_OF = datetime(2011, 1, 1, tzinfo=UTC), datetime(2019, 1, 1, tzinfo=UTC)

spans = strategies.tuples(strategies.integers(0, 1440), strategies.integers(0, 1440)).filter(
    lambda span: span[0] < span[1]
)
hours = strategies.dictionaries(
    strategies.sampled_from(WEEKDAYS), strategies.lists(spans, min_size=1, max_size=3), min_size=1
)


@pytest.fixture(scope="module")
def models() -> jinja2.Environment:
    """The dbt macros that the model needs, in an environment without dbt."""
    macros = "".join(
        (PROJECT / "dbt_project" / "macros" / f"{name}.sql").read_text()
        for name in ("service_hours", "business_seconds")
    )
    model = PROJECT / "dbt_project" / "models" / "intermediate" / "support" / "int_business_hours.sql"
    return jinja2.Environment(
        loader=jinja2.DictLoader(
            {
                "model": macros + model.read_text(),
                "seconds": macros + "{{ business_seconds('moments.moment', \"'desk'\") }}",
            }
        ),
        autoescape=False,
    )


def render(models: jinja2.Environment, name: str, variables: dict) -> str:
    return models.get_template(name).render(
        var=variables.get,
        tojson=json.dumps,
        config=lambda **_: "",
        as_of=lambda: f"cast('{AS_OF.isoformat()}' as timestamptz)",
        ref=lambda model: model,
    )


@pytest.fixture(scope="module")
def connection(postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url("postgres"), options="-c timezone=UTC") as connection:
        yield connection


def clock_text(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def counted_minutes(hours: ServiceHours, began: datetime, ended: datetime) -> int:
    """The minutes of [began, ended) in which the wall clock shows an opening of a day that is no holiday."""
    calendar = hours.calendars["desk"]
    zone, holidays = ZoneInfo(calendar.time_zone), set(calendar.holidays)
    opening = {
        (weekday, minute)
        for weekday, openings in calendar.hours.items()
        for text in openings
        for minute in range(int(text[:2]) * 60 + int(text[3:5]), int(text[6:8]) * 60 + int(text[9:11]))
    }
    count, moment = 0, began
    while moment < ended:
        local = moment.astimezone(zone)
        if local.date() not in holidays:
            count += (WEEKDAYS[local.weekday()], local.hour * 60 + local.minute) in opening
        moment += timedelta(minutes=1)
    return count


def clock_changes(zone: str) -> list[datetime]:
    """The hours after which the zone's distance from UTC is another."""
    step, moment, changes = timedelta(hours=1), FIRST, []
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    while moment < AS_OF - timedelta(days=30):
        moment += step
        if (now := moment.astimezone(ZoneInfo(zone)).utcoffset()) != offset:
            changes.append(moment)
            offset = now
    return changes


CHANGES = {zone: clock_changes(zone) for zone in ZONES}


@given(
    zone=strategies.sampled_from(ZONES),
    week=hours,
    seed=strategies.integers(0, 10**6),
)
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_business_minutes_equal_a_count_of_the_wall_clocks_minutes(
    zone: str,
    week: dict[str, list[tuple[int, int]]],
    seed: int,
    models: jinja2.Environment,
    connection: psycopg.Connection,
) -> None:
    chance = random.Random(seed)
    moments = []
    for _ in range(6):  # most of them around a change of the clock, hours to ten days long
        around = chance.choice(CHANGES[zone] or [FIRST + timedelta(days=chance.randrange(2000))])
        began = around + timedelta(minutes=chance.randrange(-2000, 1500))
        moments.append((began, began + timedelta(minutes=chance.choice([1, 90, 1500, 14_000]))))
    holidays = [moments[0][0].date(), date(2012, 1, 1), moments[1][1].date()]
    hours = ServiceHours.model_validate(
        {
            "calendars": {
                "desk": {
                    "time_zone": zone,
                    "hours": {
                        day: [f"{clock_text(a)}-{clock_text(b)}" for a, b in spans]
                        for day, spans in week.items()
                    },
                    "holidays": holidays,
                }
            },
            "default_calendar": "desk",
        }
    )
    variables = {"service_hours": hours.as_variable(), "business_calendar_from": FIRST.date().isoformat()}
    try:
        connection.execute(
            f"create temp table int_business_hours as {render(models, 'model', variables)}"  # type: ignore[arg-type]
        )
        connection.execute("create index on int_business_hours (calendar, opens_at)")
        for began, ended in moments:
            (before,), (after,) = connection.execute(
                f"""
                select {render(models, "seconds", variables)}
                from (values (%s::timestamptz), (%s::timestamptz)) as moments (moment)
                order by moment
                """,  # type: ignore[arg-type]
                [began, ended],
            ).fetchall()
            assert after - before == 60 * counted_minutes(hours, began, ended), (began, ended)
    finally:
        connection.rollback()


def test_before_the_calendar_begins_business_time_is_unknown(
    models: jinja2.Environment, connection: psycopg.Connection
) -> None:
    hours = ServiceHours.model_validate(
        {
            "calendars": {"desk": {"time_zone": "UTC", "hours": {"monday": ["00:00-24:00"]}}},
            "default_calendar": "desk",
        }
    )
    variables = {"service_hours": hours.as_variable(), "business_calendar_from": FIRST.date().isoformat()}
    try:
        connection.execute(
            f"create temp table int_business_hours as {render(models, 'model', variables)}"  # type: ignore[arg-type]
        )
        found = connection.execute(
            f"""
            select {render(models, "seconds", variables)}
            from (values (%s::timestamptz), (%s), (%s)) as moments (moment)
            order by moment
            """,  # type: ignore[arg-type]
            [FIRST - timedelta(minutes=1), FIRST, FIRST + timedelta(days=4)],
        ).fetchall()
    finally:
        connection.rollback()
    assert found == [(None,), (0,), (86_400,)]
