"""Events that come late, at odd hours or from machines: which visits there are, and which are told again."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import built_in_steps
import psycopg
import pytest
from built_in_steps import Delivery

from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

MODELS = ["+sessions", "+bot_sessions", "no_event_is_lost_between_visits"]

VISITS = """
    select anonymous_id, started_at, ended_at, event_count, customer_id, run_id
    from marts.sessions order by anonymous_id, started_at, customer_id
"""


def event(event_id: str, at: datetime, device: str | None = "phone", **others: Any) -> dict[str, Any]:
    return {"event_id": event_id, "occurred_at": at.isoformat(), "anonymous_id": device, **others}


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse in which four deliveries came, each followed by a view."""
    database = f"late_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {database} template {template}")
    settings = Settings(
        tmp_path_factory.mktemp("late"), PROJECT / "config", postgres.url(database), None, None
    )
    ten_years_ago = NOON.replace(year=2016)
    machine = [
        event(f"m{number}", NOON + number * timedelta(milliseconds=100), "machine") for number in range(400)
    ]
    first = [
        event("a", NOON),
        event("b", NOON + 61 * MINUTE),
        event("c", NOON + 5 * timedelta(hours=1)),
        event("d", ten_years_ago),
        event("e", NOON, "tablet"),
        event("f", NOON, None, email="bob@home.example"),
        event("crawl", NOON, "crawler", properties={"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}),
        event(
            "person", NOON, "laptop", properties={"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140"}
        ),
        *machine,
    ]
    joins = [
        # Lies half an hour from a and 31 minutes from b: it lengthens one visit and leaves the other alone.
        event("g", NOON + 30 * MINUTE),
        event("h", ten_years_ago - 30 * MINUTE - SECOND),
        event("i", ten_years_ago + 10 * MINUTE),
    ]
    bridge = [event("k", NOON + 45 * MINUTE), event("l", NOON - timedelta(days=1))]
    later = AS_OF + timedelta(days=1)
    built_in_steps.build(
        settings,
        MODELS,
        [
            Delivery(AS_OF, {"web_events": first}, {("email", "", "bob@home.example"): "bob"}),
            Delivery(AS_OF, {"web_events": joins}),
            Delivery(
                AS_OF,
                {"web_events": bridge},
                {("device", "", "tablet"): "ann", ("email", "", "bob@home.example"): "rob"},
            ),
            Delivery(later, {"web_events": [event("z", AS_OF + MINUTE, "tablet")]}),
        ],
    )
    return postgres.url(database)


def visits_of(url: str, device: str | None) -> list[tuple[Any, ...]]:
    return [row[1:] for row in built_in_steps.rows(url, VISITS) if row[0] == device]


def test_an_event_ten_years_late_tells_the_visits_around_its_time_again_and_no_others(url: str) -> None:
    ten_years_ago = NOON.replace(year=2016)
    assert visits_of(url, "phone") == [
        (ten_years_ago - 30 * MINUTE - SECOND, ten_years_ago - 30 * MINUTE - SECOND, 1, None, 2),
        (ten_years_ago, ten_years_ago + 10 * MINUTE, 2, None, 2),
        (NOON - timedelta(days=1), NOON - timedelta(days=1), 1, None, 3),
        (NOON, NOON + 61 * MINUTE, 4, None, 3),
        (NOON + 5 * timedelta(hours=1), NOON + 5 * timedelta(hours=1), 1, None, 1),
    ]


def test_a_device_that_became_somebodys_brings_its_earlier_visits(url: str) -> None:
    assert visits_of(url, "tablet") == [
        (NOON, NOON, 1, "ann", 3),
        (AS_OF + MINUTE, AS_OF + MINUTE, 1, "ann", 4),
    ]


def test_visits_without_a_device_move_with_their_customer(url: str) -> None:
    assert visits_of(url, None) == [(NOON, NOON, 1, "rob", 3)]


def test_machines_make_no_visits_and_are_counted(url: str) -> None:
    people = {row[0] for row in built_in_steps.rows(url, VISITS)}
    assert people == {"phone", "tablet", "laptop", None}
    bots = built_in_steps.rows(
        url, "select anonymous_id, bot_reason, event_count from marts.bot_sessions order by anonymous_id"
    )
    assert bots == [("crawler", "user_agent", 1), ("machine", "speed", 400)]


def test_the_planner_is_told_of_a_table_where_much_of_it_changed(url: str) -> None:
    analyzed = """
        select relname, analyze_count from pg_stat_user_tables
        where relname in ('int_web_events_sessionized', 'sessions')
    """
    # Of hundreds of events each delivery after the first changed a few, of the visits it changed many.
    assert dict(built_in_steps.rows(url, analyzed)) == {"int_web_events_sessionized": 1, "sessions": 4}
