"""Each system that config/systems has a file for, read from a server that speaks the vendor's shapes."""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_api import Answer, FakeApi, minute, serving
from fake_crms import HubSpot, Salesforce
from fake_desks import Freshdesk, Zendesk
from fake_shops import Shopify
from fake_surveys import SurveyMonkey, Typeform
from psycopg import sql

from rapport.embedded_postgres import EmbeddedPostgres
from rapport.errors import SourceUnavailable
from rapport.landing.load import FilesRefused, load_feed
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

SYSTEMS: dict[str, type[FakeApi]] = {
    "freshdesk": Freshdesk,
    "hubspot": HubSpot,
    "salesforce": Salesforce,
    "shopify": Shopify,
    "surveymonkey": SurveyMonkey,
    "typeform": Typeform,
    "zendesk": Zendesk,
}
# Feed: its resource, and the rows that one record of it gives.
FEEDS = {
    "freshdesk_tickets": ("tickets", 1),
    "hubspot_companies": ("companies", 1),
    "hubspot_contacts": ("contacts", 1),
    "hubspot_deals": ("deals", 1),
    "salesforce_accounts": ("accounts", 1),
    "salesforce_contacts": ("contacts", 1),
    "salesforce_opportunities": ("opportunities", 1),
    "shopify_customers": ("customers", 1),
    "shopify_order_lines": ("orders", 2),
    "shopify_orders": ("orders", 1),
    "shopify_refund_differences": ("orders", 1),
    "shopify_refunds": ("orders", 1),
    "shopify_shipping_lines": ("orders", 1),
    "shopify_shipping_refunds": ("orders", 1),
    "surveymonkey_ces": ("ces", 1),
    "surveymonkey_csat": ("csat", 1),
    "surveymonkey_nps": ("nps", 1),
    "typeform_ces": ("ces", 1),
    "typeform_csat": ("csat", 1),
    "typeform_nps": ("nps", 1),
    "zendesk_comments": ("ticket_events", 1),
    "zendesk_satisfaction_ratings": ("satisfaction_ratings", 1),
    "zendesk_status_changes": ("ticket_events", 1),
    "zendesk_tickets": ("tickets", 1),
    "zendesk_users": ("users", 1),
}
ONE_OF_EACH = [
    "freshdesk_tickets",
    "hubspot_deals",
    "salesforce_contacts",
    "shopify_order_lines",
    "surveymonkey_nps",
    "typeform_nps",
    "zendesk_comments",
]


@pytest.fixture
def open_system(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[FakeApi, Feed]]]:
    """The server behind a feed of a system's file, and the feed."""
    apis = []

    def open_feed(name: str) -> tuple[FakeApi, Feed]:
        system = name.partition("_")[0]
        sources = settings.config / "sources"
        sources.mkdir()
        shutil.copy(PROJECT / "config" / "systems" / f"{system}.yml", sources)
        context = serving(SYSTEMS[system]())
        api = context.__enter__()
        apis.append(context)
        monkeypatch.setenv(f"AIRFLOW_CONN_{system.upper()}", json.dumps(api.connection()))
        return api, next(feed for feed in read_feeds(settings) if feed.name == name)

    yield open_feed
    for context in apis:
        context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def warehouses(postgres: EmbeddedPostgres, template: str) -> Iterator[Callable[[str], str]]:
    """A warehouse for each name. Feeds do not see each other, so the cases of one test share theirs."""
    made: dict[str, str] = {}
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:

        def warehouse(name: str) -> str:
            if name not in made:
                made[name] = f"test_{secrets.token_hex(6)}"
                connection.execute(
                    sql.SQL("create database {} template {}").format(
                        sql.Identifier(made[name]), sql.Identifier(template)
                    )
                )
            return postgres.url(made[name])

        yield warehouse
        for database in made.values():
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))


@pytest.fixture
def warehouse_url(request: pytest.FixtureRequest, warehouses: Callable[[str], str]) -> str:
    return warehouses(request.function.__name__)


@pytest.fixture
def query(warehouse_url: str) -> Callable[..., list[tuple[Any, ...]]]:
    """The rows of a statement; `feed` and `table` are the feed's."""

    def run(statement: str, feed: Feed) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            table = sql.Identifier("raw", feed.stream)
            composed = sql.SQL(statement).format(feed=sql.Literal(feed.name), table=table)  # type: ignore[arg-type]
            return connection.execute(composed).fetchall()

    return run


@pytest.fixture
def records_of(query: Callable[..., list[tuple[Any, ...]]]) -> Callable[[Feed], int]:
    """How many records of the feed there are in raw."""

    def count(feed: Feed) -> int:
        key = ", ".join(feed.definition.key)
        mine = "batch_id in (select batch_id from ops.load_batches where feed = {feed})"
        return int(query(f"select count(distinct ({key})) from {{table}} where {mine}", feed)[0][0])

    return count


def test_every_system_has_its_server_and_its_feeds(settings: Settings) -> None:
    shutil.copytree(PROJECT / "config" / "systems", settings.config / "sources")
    assert sorted(feed.name for feed in read_feeds(settings)) == sorted(FEEDS)


@pytest.mark.parametrize("name", FEEDS)
def test_every_page_is_loaded_whatever_repeats_and_is_empty(
    name: str, open_system: Any, warehouse_url: str, records_of: Any, waits: list[float]
) -> None:
    api, feed = open_system(name)
    resource, rows = FEEDS[name]
    count = 2 * api.page_size + 3
    api.fill(resource, count)
    api.repeats = api.has_gap = True
    counts = load_feed(warehouse_url, feed)
    assert api.complaints == []
    assert (counts.rows_rejected, records_of(feed)) == (0, count * rows)
    assert counts.rows_loaded == count * rows, "a record that came twice is there once"
    pages = len([asked for asked in api.asked if "oauth2" not in asked.path])
    assert pages >= 3


@pytest.mark.parametrize("name", FEEDS)
def test_what_changes_while_it_is_read_is_not_missed(
    name: str, open_system: Any, warehouse_url: str, records_of: Any, query: Any, waits: list[float]
) -> None:
    api, feed = open_system(name)
    resource, rows = FEEDS[name]
    count = 2 * api.page_size + 3
    api.fill(resource, count)
    api.meanwhile = lambda: api.change(resource, 0, minute(count))
    load_feed(warehouse_url, feed)
    assert records_of(feed) == count * rows, "the record that moved has pushed no other between two pages"
    api.records[resource].append(api.record(resource, count, minute(count + 1)))
    api.asked.clear()
    load_feed(warehouse_url, feed)
    assert records_of(feed) == (count + 1) * rows
    [(cursor,)] = query("select cursor ->> 'time' from ops.source_cursors where feed = {feed}", feed)
    assert datetime.fromisoformat(cursor) >= minute(count)
    assert api.complaints == []
    if name != "zendesk_satisfaction_ratings":  # its overlap is a month
        assert len(api.asked) <= 5, "only what is new is asked for"


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_nothing_new_is_an_empty_page(
    name: str, open_system: Any, warehouse_url: str, records_of: Any, waits: list[float]
) -> None:
    api, feed = open_system(name)
    api.fill(FEEDS[name][0], 0)
    assert load_feed(warehouse_url, feed).rows_read == 0
    assert records_of(feed) == 0
    assert api.complaints == []


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_wrong_secret_is_named_and_not_shown(
    name: str, open_system: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    api, feed = open_system(name)
    api.fill(FEEDS[name][0], 1)
    system = name.partition("_")[0]
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{system.upper()}", json.dumps({**api.connection(), "password": "not-so-secret"})
    )
    with pytest.raises(FilesRefused) as refused:
        load_feed(warehouse_url, feed)
    message = str(refused.value)
    assert re.search(rf"{system}: \w+: \w+ /\S+ was answered with 401 .*mend .*{system}", message)
    assert "not-so-secret" not in message
    assert waits == [], "what is refused is not tried again"


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_busy_or_broken_server_is_asked_again(
    name: str, open_system: Any, warehouse_url: str, records_of: Any, waits: list[float]
) -> None:
    api, feed = open_system(name)
    resource, rows = FEEDS[name]
    api.fill(resource, 2)
    api.interruptions = [Answer({}, 429, {"Retry-After": "7"}), Answer({}, 500), Answer({}, 503)]
    load_feed(warehouse_url, feed)
    assert records_of(feed) == 2 * rows
    assert waits[0] == 7
    assert len(waits) == 3


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_server_that_stays_broken_ends_the_reading_for_now(
    name: str, open_system: Any, warehouse_url: str, records_of: Any, waits: list[float]
) -> None:
    api, feed = open_system(name)
    api.fill(FEEDS[name][0], 2)
    api.interruptions = [Answer({"message": api.secret}, 500)] * 20
    with pytest.raises(
        SourceUnavailable, match=r"was answered with 500 .*after 5 tries; run again"
    ) as broken:
        load_feed(warehouse_url, feed)
    assert api.secret not in str(broken.value)
    assert records_of(feed) == 0


def test_a_refund_of_a_shop_is_worth_what_was_given_back(
    open_system: Any, warehouse_url: str, settings: Settings, query: Any, waits: list[float]
) -> None:
    api, feed = open_system("shopify_refunds")
    api.fill("orders", 2)
    api.fill("customers", 0)
    for other in read_feeds(settings):
        load_feed(warehouse_url, other)
    refunds = query(
        "select kind, order_id, amount::text, currency, line_id from {table} where order_id = '1' order by 1",
        feed,
    )
    assert refunds == [
        ("price", "1", "-1.50", "USD", None),  # 1.50 of the goods' 9.90 was kept back
        ("return", "1", "9.9", "USD", "11"),
        ("shipping", "1", "2.00", "USD", "17"),
    ]
    lines = next(other for other in read_feeds(settings) if other.name == "shopify_shipping_lines")
    found = query(
        "select line_kind, line_id, (quantity * unit_price)::text from {table}"
        " where order_id = '1' order by line_id",
        lines,
    )
    assert found == [("product", "11", "19.80"), ("product", "12", "19.80"), ("shipping", "17", "5.00")]


def test_a_version_is_what_the_vendor_says_it_is(
    open_system: Any, warehouse_url: str, query: Any, waits: list[float]
) -> None:
    api, feed = open_system("hubspot_deals")
    api.fill("deals", 3)
    load_feed(warehouse_url, feed)
    api.change("deals", 2, minute(10) + timedelta(seconds=30))
    load_feed(warehouse_url, feed)
    deals = query(
        "select deal_id, status, amount::text, expected_close_date::text, updated_at from {table} order by 5",
        feed,
    )
    quarter = timedelta(milliseconds=250)
    assert deals == [
        ("0", "won", "1500.50", "2026-06-30", minute(0) + quarter),
        ("1", "lost", "1500.50", "2026-06-30", minute(1) + quarter),
        ("2", "open", "1500.50", "2026-06-30", minute(2) + quarter),
        ("2", "open", "1500.50", "2026-06-30", minute(10) + timedelta(seconds=30) + quarter),
    ]


def test_the_systems_folder_is_not_read(settings: Settings) -> None:
    (settings.config / "sources").mkdir()
    shutil.copytree(PROJECT / "config" / "systems", settings.config / "systems")
    assert read_feeds(settings) == []
    assert Path(PROJECT / "config" / "systems" / "shopify.yml").is_file()
