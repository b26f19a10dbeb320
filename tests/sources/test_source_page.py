"""docs/add-a-source.md, followed to the letter."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute, serving

from rapport.landing.load import load_feed
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

PAGE = (PROJECT / "docs" / "add-a-source.md").read_text()


def followed(settings: Settings, name: str) -> dict[str, Feed]:
    """The feeds of the page's source file of that name."""
    [written] = re.findall(rf"```yaml\n(# config/sources/{name}\.yml\n.*?)```", PAGE, flags=re.DOTALL)
    folder = settings.config / "sources"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yml").write_text(written)
    return {feed.name: feed for feed in read_feeds(settings)}


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


class Club(FakeApi):
    """The API that the page describes."""

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        if resource == "members":
            person = {"name": {"first": "Ann"}, "emails": [f"{number}@home.example"]}
            return {"id": number, "changed": iso(moment), "kind": ["person", "firm"][number % 2], **person}
        item = {"article": "mug", "pieces": 2, "price": 9.90}
        bought = {"number": number, "changed": iso(moment), "bought": iso(minute(0)), "member": 0}
        return {**bought, "items": [item, item]}

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("Authorization") == f"Bearer {self.secret}", "no token", 401)
        resource = asked.path.removeprefix("/api/")
        expect(resource in self.records and "changed_since" in asked.query, "no such resource", 404)
        since = asked.query["changed_since"]
        chosen = [record for record in self.records[resource] if record["changed"] >= since]
        found, following = self.page(chosen, int(asked.query.get("after", 0)))
        link = f"{self.url}{asked.path}?changed_since={since}&after={following}"
        return Answer({resource: found, "next": None if following is None else link})


def test_the_rest_system_of_the_page_loads(
    settings: Settings, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Club()
    with serving(api):
        monkeypatch.setenv("AIRFLOW_CONN_CLUB", json.dumps(api.connection()))
        api.fill("members", 8)
        api.fill("purchases", 4)
        feeds = followed(settings, "club")
        assert load_feed(warehouse_url, feeds["club_members"]).rows_loaded == 4, "firms are left out"
        assert load_feed(warehouse_url, feeds["club_purchases"]).rows_loaded == 8
        assert load_feed(warehouse_url, feeds["club_purchases"]).rows_loaded == 0
    assert api.complaints == []
    assert rows(warehouse_url, "select first_name, email from raw.contacts where contact_id = '2'") == [
        ("Ann", "2@home.example")
    ]
    assert rows(
        warehouse_url, "select distinct quantity::text, unit_price::text, currency from raw.order_lines"
    ) == [("2", "9.9", "EUR")]


def test_the_database_of_the_page_loads(
    settings: Settings, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", warehouse_url)
    with psycopg.connect(warehouse_url) as shop:
        shop.execute(
            """
            create schema sales;
            create table sales.orders (id int, placed_at timestamptz, changed_at timestamptz, state text,
                currency text, customer_id int);
            create table customers (id int, changed_at timestamptz, first_name text, email text);
            create table addresses (customer_id int, country text);
            insert into sales.orders values (1, '2026-01-01', '2026-01-02', 'paid', 'EUR', 7);
            insert into customers values (7, '2026-01-01', 'Ann', 'ann@home.example');
            insert into addresses values (7, 'DE');
            """
        )
    feeds = followed(settings, "shop_db")
    for name in ("shop_db_orders", "shop_db_customers"):
        assert load_feed(warehouse_url, feeds[name]).rows_loaded == 1
        assert load_feed(warehouse_url, feeds[name]).rows_loaded == 0
    assert rows(warehouse_url, "select source, order_status, customer_number from raw.orders") == [
        ("online_shop", "paid", "7")
    ]
    assert rows(warehouse_url, "select first_name, country from raw.contacts") == [("Ann", "DE")]


def test_the_ready_made_systems_are_where_the_page_says(settings: Settings) -> None:
    for copied in re.findall(r"^cp (config/systems/\S+)", PAGE, flags=re.MULTILINE):
        (settings.config / "sources").mkdir(exist_ok=True)
        shutil.copy(PROJECT / copied, settings.config / "sources")
    assert "shopify_orders" in [feed.name for feed in read_feeds(settings)]
    named = {path.stem for path in Path(PROJECT / "config" / "systems").glob("*.yml")}
    assert all(name in PAGE.casefold() for name in named)


def test_every_key_of_a_reading_is_on_the_page() -> None:
    from rapport.sources.database_keys import Database
    from rapport.sources.rest_keys import Rest, RestCursor

    for model in (Database, Rest, RestCursor):
        for key in model.model_fields:
            assert re.search(rf"\b{key}\b", PAGE), f"{key} is not explained"
