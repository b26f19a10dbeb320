"""Files with several feeds, and mistakes in how databases and APIs are read."""

import json
import re

import pytest

from rapport.errors import ConfigurationError
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.connections import find_connection
from rapport.sources.database_sessions import database_url

SYSTEM = """
source: crm
read:
  rest:
    connection: crm
    client: {base_url: "{connection.url}/", paginator: json_link}
    resources:
      - {name: people, endpoint: {path: people, params: {since: "{cursor}"}}}
      - {name: firms, endpoint: {path: firms, params: {since: "{cursor}"}}}
    cursor: {field: at}
freshness: {warn_after: 26h}
feeds:
  people:
    stream: contacts
    read: {rest: {resource: people}}
    columns: {contact_id: id, updated_at: at}
  firms:
    stream: companies
    mode: versions
    read: {rest: {resource: firms, cursor: {overlap: 1h}}}
    columns: {company_id: id, updated_at: at}
    freshness: {error_after: 50h}
"""
TABLE = """
stream: order_lines
read: {database: {connection: shop_db, table: lines, cursor: changed}}
columns: {order_id: a, line_id: b, ordered_at: c, quantity: d, unit_price: e}
"""


def mistakes(settings: Settings, written: str) -> str:
    (settings.config / "sources" / "crm.yml").write_text(written)
    with pytest.raises(ConfigurationError) as caught:
        read_feeds(settings)
    return str(caught.value)


def test_what_stands_beside_the_feeds_holds_for_each(offline: Settings) -> None:
    (offline.config / "sources" / "crm.yml").write_text(SYSTEM)
    people, firms = read_feeds(offline)
    assert (people.name, people.source, people.stream) == ("crm_people", "crm", "contacts")
    assert (firms.name, firms.source, firms.stream) == ("crm_firms", "crm", "companies")
    assert firms.origin is not None
    assert firms.origin.cursor == people.origin.cursor.model_copy(update={"overlap": "1h"})  # type: ignore[union-attr]
    assert firms.freshness is not None
    assert firms.freshness.warn_after is not None
    assert firms.freshness.error_after is not None


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            ("contact_id: id", "contact_i: id"),
            ["crm.yml: feeds.people.columns.contact_i: contacts has"],
        ),
        (
            ("resource: firms", "resource: firm"),
            ["feeds.firms.read.rest.resource: there is no resource"],
        ),
        (
            ("paginator: json_link", "paginator: json_lnk"),
            ["crm.yml: read.rest.client.paginator: there is"],
        ),
        (("overlap: 1h", "overlap: 1 hour"), ["feeds.firms.read.rest.cursor.overlap: "]),
        (("field: at", "feld: at"), ["crm.yml: read.rest.cursor.feld: unknown key; did you mean field?"]),
        (('since: "{cursor}"', "since: x"), ["read.rest.cursor: no resource asks for it"]),
        (("    cursor: {field: at}\n", ""), ["feeds.firms.read.rest.cursor.field: is missing"]),
        (
            ("mode: versions", "mode: snapshot"),
            ["read.rest.cursor: mode snapshot reads everything"],
        ),
        ((SYSTEM[SYSTEM.index("feeds:") :], "feeds: []"), ["crm.yml: feeds: names and, under each, stream"]),
        (("resource: people", "resoure: people"), ["resoure: unknown key; did you mean resource?"]),
    ],
)
def test_a_mistake_is_named_where_it_stands(
    offline: Settings, change: tuple[str, str], sentences: list[str]
) -> None:
    assert change[0] in SYSTEM
    said = mistakes(offline, SYSTEM.replace(*change))
    for sentence in sentences:
        assert sentence in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("line_id: b, ", ""), "columns: readings overlap, so a row must be known again .* map line_id"),
        (
            ("stream: order_lines", "stream: order_lines\nmode: replace_order"),
            "replace_order needs all lines",
        ),
        (("table: lines, ", ""), "read.database: either table or query says what is read"),
        (("table: lines, ", "table: lines, query: select 1, "), "either table or query"),
        (
            ("cursor: changed", "overlap: 1h"),
            "read.database.overlap: it belongs to a cursor",
        ),
        (
            ("cursor: changed}}", "cursor: changed}, files: x}"),
            "read: one of files, .* files and",
        ),
        (
            ("{database: {connection: shop_db, table: lines, cursor: changed}}", "{encoding: utf-8}"),
            "there is none",
        ),
    ],
)
def test_a_mistake_in_reading_a_database_is_named(
    offline: Settings, change: tuple[str, str], sentence: str
) -> None:
    assert change[0] in TABLE
    assert re.search(sentence, mistakes(offline, TABLE.replace(*change)))


def test_a_mistake_beside_the_feeds_is_named_once(offline: Settings) -> None:
    said = mistakes(offline, SYSTEM.replace("paginator: json_link", "paginator: json_lnk"))
    assert said.count("json_lnk") == len(said.splitlines()) == 1


def test_two_files_cannot_have_a_feed_of_one_name(offline: Settings) -> None:
    (offline.config / "sources" / "crm.yml").write_text(SYSTEM)
    (offline.config / "sources" / "crm_people.yml").write_text(TABLE)
    with pytest.raises(ConfigurationError, match=r"crm_people\.yml: another file here has a feed crm_people"):
        read_feeds(offline)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        (
            "postgresql://mia:p%40ss@db.example:5433/shop?sslmode=require",
            "postgresql+psycopg://mia:p%40ss@db.example:5433/shop?sslmode=require",
        ),
        (
            '{"conn_type": "mysql", "host": "db", "login": "mia", "password": "p/s", "schema": "shop"}',
            "mysql+pymysql://mia:p%2Fs@db/shop",
        ),
        (
            '{"conn_type": "sqlite", "host": "/data/shop.db"}',
            "sqlite:///file%3A/data/shop.db?mode=ro&uri=true",
        ),
        ("mssql+pyodbc://sa:x@db/shop", "mssql+pyodbc://sa:x@db/shop"),
    ],
)
def test_a_connection_is_a_database(monkeypatch: pytest.MonkeyPatch, written: str, url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", written)
    connection = find_connection("shop_db")
    assert database_url(connection).render_as_string(hide_password=False) == url
    assert str(connection.password) not in repr(connection) or connection.password is None


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://https%3A%2F%2Fshop.example", "https://shop.example"),
        ("http://https://shop.example", "https://shop.example"),
        ({"host": "shop.example"}, "https://shop.example"),
        ({"host": "http://localhost/", "port": "8080"}, "http://localhost:8080"),
        ({"host": "shop.example", "schema": "http"}, "http://shop.example"),
    ],
)
def test_a_connection_is_a_web_service(
    monkeypatch: pytest.MonkeyPatch, written: str | dict[str, str], url: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", written if isinstance(written, str) else json.dumps(written))
    assert find_connection("shop").url == url


@pytest.mark.parametrize("written", ["{top-secret", "top-secret", "http://x:top-secret@host:port/"])
def test_what_is_no_connection_is_not_shown(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", written)
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_SHOP is none") as caught:
        find_connection("shop")
    assert "top-secret" not in str(caught.value)
