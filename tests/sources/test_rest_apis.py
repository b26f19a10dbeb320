"""What holds for every REST system: what is asked, what is kept, what is refused, and what is never told."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from fake_api import Answer, Asked, FakeApi, Record, expect, iso, minute, serving

from rapport.errors import ConfigurationError, SourceUnavailable
from rapport.landing.load import FilesRefused, load_feed, reload
from rapport.landing.quarantine import rejected_reasons
from rapport.landing.retry import retry_rejected
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

CONTACTS = {"contact_id": "id", "updated_at": "at", "first_name": "name", "email": "mail.address"}


class People(FakeApi):
    """Pages by number; `people/<id>/orders` has a person's orders."""

    def record(self, resource: str, number: int, moment: datetime) -> Record:
        return {"id": number, "at": iso(moment), "name": "Ann", "score": 0.10}

    def answer(self, asked: Asked) -> Answer:
        expect(asked.headers.get("X-Key") == self.secret, "no key", 401)
        if asked.path.endswith("/orders"):
            person = int(asked.path.split("/")[2])
            lines = [{"sku": "a", "pieces": 2, "price": 9.90}] * 2
            return Answer({"items": [{"order": person * 10, "placed": iso(minute(0)), "lines": lines}]})
        expect(asked.path == "/people", "no such resource", 404)
        since = asked.query.get("since", "")
        chosen = sorted((r for r in self.records["people"] if r["at"] >= since), key=lambda r: r["at"])
        found, following = self.page(chosen, (int(asked.query.get("page", 1)) - 1) * self.page_size)
        more = None if following is None else f"{self.url}/people?page={following // self.page_size + 1}"
        if more and since:
            more += f"&since={since}"
        return Answer({"items": found, "next": more})


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    api = People()
    with serving(api):
        monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(api.connection()))
        yield api


@pytest.fixture
def make_feed(settings: Settings) -> Callable[..., Feed]:
    """A feed of contacts from `people`; keys of read.rest by keyword, others of the file under `file`."""

    def make(file: dict[str, Any] | None = None, endpoint: dict[str, Any] | None = None, **rest: Any) -> Feed:
        described = {
            "connection": "crm",
            "client": {
                "base_url": "{connection.url}/",
                "auth": {
                    "type": "api_key",
                    "name": "X-Key",
                    "api_key": "{connection.password}",
                    "location": "header",
                },
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
            "resources": [
                {
                    "name": "people",
                    "primary_key": "id",
                    "endpoint": {"path": "people", "data_selector": "items", **(endpoint or {})},
                }
            ],
            **rest,
        }
        keys = {"stream": "contacts", "source": "crm", "read": {"rest": described}, "columns": CONTACTS}
        (settings.config / "sources").mkdir(exist_ok=True)
        written = yaml.safe_dump({**keys, **(file or {})}, sort_keys=False)
        (settings.config / "sources" / "crm.yml").write_text(written)
        return read_feeds(settings)[0]

    return make


@pytest.fixture
def query(warehouse_url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(warehouse_url) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[arg-type]

    return run


SINCE: dict[str, Any] = {"params": {"since": "{cursor}"}}


def test_a_value_that_no_record_has_is_missing(
    make_feed: Any, people: People, warehouse_url: str, query: Any
) -> None:
    people.fill("people", 2)
    load_feed(warehouse_url, make_feed())
    assert query("select contact_id, first_name, email, payload from raw.contacts order by 1") == [
        ("0", "Ann", None, {"score": "0.1"}),
        ("1", "Ann", None, {"score": "0.1"}),
    ]
    assert query("select file, rows_read from ops.load_batches") == [("crm: people", 2)]


def test_a_value_that_is_required_and_in_no_record_is_refused(
    make_feed: Any, people: People, warehouse_url: str
) -> None:
    people.fill("people", 2)
    columns = {**CONTACTS, "updated_at": "changed"}
    with pytest.raises(FilesRefused, match="crm: people: there is no column 'changed'"):
        load_feed(warehouse_url, make_feed({"columns": columns}))


def test_numbers_keep_their_digits(make_feed: Any, people: People, warehouse_url: str, query: Any) -> None:
    people.interruptions = [
        Answer(b'{"items": [{"id": 12345678901234567890, "at": "2026-01-01", "score": 0.10}], "next": null}')
    ]
    load_feed(
        warehouse_url, make_feed({"columns": {"contact_id": "id", "updated_at": "at", "title": "score"}})
    )
    assert query("select contact_id, title from raw.contacts") == [("12345678901234567890", "0.10")]


def test_records_of_records_are_asked_for_one_by_one(
    make_feed: Any, people: People, warehouse_url: str, query: Any
) -> None:
    people.fill("people", 4)
    people.repeats = True
    orders = {
        "name": "orders",
        "primary_key": "order",
        "include_from_parent": ["name"],
        "endpoint": {
            "path": "people/{resources.people.id}/orders",
            "data_selector": "items",
            "paginator": "single_page",
        },
    }
    people_resource = {"name": "people", "endpoint": {"path": "people", "data_selector": "items"}}
    feed = make_feed(
        {
            "stream": "order_lines",
            "mode": "replace_order",
            "explode": "lines[]",
            "columns": {
                "order_id": "order",
                "ordered_at": "placed",
                "quantity": "lines[].pieces",
                "unit_price": "lines[].price",
                "first_name": "_people_name",
            },
        },
        resources=[people_resource, orders],
        resource="orders",
    )
    load_feed(warehouse_url, feed)
    found = query(
        "select order_id, count(*), min(unit_price)::text, min(first_name) from raw.order_lines group by 1"
    )
    assert sorted(found) == [(f"{n}", 2, "9.9", "Ann") for n in (0, 10, 20, 30)], (
        "a person who came twice has two equal lines and not four"
    )


@pytest.mark.parametrize(("mode", "has_gap"), [("versions", False), ("versions", True), ("snapshot", False)])
def test_a_rejected_row_tells_its_page_and_its_place_in_it(
    make_feed: Any, people: People, warehouse_url: str, query: Any, mode: str, has_gap: bool
) -> None:
    people.fill("people", 11)
    people.has_gap = has_gap
    people.repeats = mode == "snapshot"  # of a record that comes twice the last one counts
    for number in (1, 4, 10):
        people.records["people"][number]["at"] += "x"
    load_feed(warehouse_url, make_feed({"mode": mode}))
    expected = {}
    for page, asked in enumerate(people.asked, 1):
        for place, record in enumerate(people.answer(asked).body["items"], 1):
            if record["at"].endswith("x"):
                expected[record["id"]] = (page, place, record["at"])
    found = query("select page, line_number, record ->> 'at' from ops.rejected_records order by rejected_id")
    assert found == sorted(expected.values())
    assert [page for page, _, _ in found] == ([1, 3, 5] if has_gap else [1, 2, 4])
    with psycopg.connect(warehouse_url) as connection:
        [reason] = rejected_reasons(connection)
    assert (reason.file, reason.page, reason.line) == ("crm: people", *found[-1][:2])


def test_rejected_rows_of_pages_are_retried_in_the_order_they_came(
    make_feed: Any, people: People, warehouse_url: str, query: Any
) -> None:
    people.fill("people", 6)
    for number in (2, 3):  # the last record of one page, and the first of the next
        people.records["people"][number]["at"] += "x"
    load_feed(warehouse_url, make_feed())
    mended = {**CONTACTS, "updated_at": {"column": "at", "strip_suffix": "x"}}
    assert retry_rejected(warehouse_url, make_feed({"columns": mended})).rows_loaded == 2
    assert query("select contact_id from raw.contacts where batch_id = 2 order by line_number") == [
        ("2",),
        ("3",),
    ]


def test_a_snapshot_reads_everything_and_notes_what_is_gone(
    make_feed: Any, people: People, warehouse_url: str, query: Any
) -> None:
    feed = make_feed({"mode": "snapshot"})
    people.fill("people", 5)
    load_feed(warehouse_url, feed)
    del people.records["people"][0]
    load_feed(warehouse_url, feed)
    assert query("select contact_id from raw.contacts where is_deleted") == [("0",)]


def test_a_question_that_is_full_is_followed_by_the_next(
    make_feed: Any, people: People, warehouse_url: str, query: Any
) -> None:
    people.page_size = 4
    people.records["people"] = [people.record("people", n, minute(n // 10)) for n in range(30)]
    feed = make_feed(endpoint=SINCE, cursor={"field": "at", "restart_after": 4})
    load_feed(warehouse_url, feed)
    assert query("select count(distinct contact_id) from raw.contacts") == [(30,)], (
        "ten records of one moment take several pages of one question"
    )
    assert {asked.query["since"] for asked in people.asked} >= {iso(minute(1)), iso(minute(2))}


def test_the_next_reading_begins_an_overlap_before_the_end(
    make_feed: Any, people: People, warehouse_url: str
) -> None:
    people.fill("people", 60)
    people.page_size = 100
    feed = make_feed(endpoint=SINCE, cursor={"field": "at", "start": "2025-12-01", "overlap": "10m"})
    assert load_feed(warehouse_url, feed).rows_loaded == 60
    load_feed(warehouse_url, feed)
    reload(warehouse_url, feed)
    load_feed(warehouse_url, feed)
    asked = [asked.query["since"] for asked in people.asked]
    assert asked == ["2025-12-01T00:00:00Z", iso(minute(49)), "2025-12-01T00:00:00Z"]


def test_a_time_in_the_future_does_not_hide_what_comes_before_it(
    make_feed: Any, people: People, warehouse_url: str
) -> None:
    people.records["people"] = [people.record("people", 1, datetime(2199, 1, 1, tzinfo=UTC))]
    feed = make_feed(endpoint=SINCE, cursor={"field": "at"})
    load_feed(warehouse_url, feed)
    load_feed(warehouse_url, feed)
    since = datetime.fromisoformat(people.asked[-1].query["since"])
    assert timedelta(minutes=15) <= datetime.now(UTC) - since < timedelta(minutes=20)


def test_nothing_is_kept_of_a_reading_that_ends_early(
    make_feed: Any, people: People, warehouse_url: str, query: Any, waits: list[float]
) -> None:
    people.fill("people", 9)
    feed = make_feed(endpoint=SINCE, cursor={"field": "at"})
    people.meanwhile = lambda: people.interruptions.extend([Answer({}, 502)] * 5)
    with pytest.raises(SourceUnavailable, match="502"):
        load_feed(warehouse_url, feed)
    assert query("select count(*) from raw.contacts") == [(0,)]
    assert query("select count(*) from ops.source_cursors") == [(0,)]
    assert load_feed(warehouse_url, feed).rows_loaded == 9


def test_the_pace_is_kept(make_feed: Any, people: People, warehouse_url: str, waits: list[float]) -> None:
    people.fill("people", 15)
    load_feed(warehouse_url, make_feed(requests_per_minute=4))
    assert len(people.asked) == 5
    assert len(waits) == 1
    assert 50 < waits[0] <= 60


def test_a_server_that_is_not_there_can_be_asked_again(
    make_feed: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", '{"host": "http://127.0.0.1:1", "password": "top-secret"}')
    with pytest.raises(
        SourceUnavailable, match=r"crm: people: http://127.0.0.1:1 does not answer .*3 times"
    ) as gone:
        load_feed(warehouse_url, make_feed(attempts=3))
    assert "top-secret" not in str(gone.value)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(b"<html>maintenance</html>"), "GET /people is no JSON"),
        (Answer({"error": "x", "code": 1}), "nothing at data_selector; it has: error, code"),
        (Answer({"items": [], "next": "https://evil.example/people"}), "sends us on to https://evil.example"),
        (Answer({}, 302, {"Location": "https://evil.example/"}), "sends us on to https://evil.example"),
        (Answer({"error": "top-secret-4711"}, 404), "GET /people was answered with 404"),
        (Answer({"items": [{"id": 1, "at": "soon"}], "next": None}), "at is the cursor and holds 'soon'"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused(
    make_feed: Any, people: People, warehouse_url: str, answer: Answer, sentence: str
) -> None:
    people.interruptions = [answer]
    with pytest.raises(FilesRefused, match=f"crm: people: .*{sentence}") as refused:
        load_feed(warehouse_url, make_feed(endpoint=SINCE, cursor={"field": "at"}))
    assert people.secret not in str(refused.value)


def test_pages_without_end_are_refused(make_feed: Any, people: People, warehouse_url: str) -> None:
    people.interruptions = [
        Answer({"items": [{"id": 1, "at": iso(minute(1))}], "next": f"{people.url}/people"})
    ] * 99
    with pytest.raises(FilesRefused, match="asked for the same page 50 times"):
        load_feed(warehouse_url, make_feed())


def test_what_dlt_cannot_read_is_named(make_feed: Any, people: People, warehouse_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"crm: people: .*next_url"):
        load_feed(warehouse_url, make_feed(endpoint={"paginator": {"type": "json_link", "next_url": "next"}}))


def test_what_the_connection_does_not_have_is_named(
    make_feed: Any, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", '{"host": "http://127.0.0.1:1"}')
    with pytest.raises(ConfigurationError, match="the connection crm has no password"):
        load_feed(warehouse_url, make_feed())


def test_asking_an_api_tells_nobody_and_leaves_nothing_at_home(
    make_feed: Any, people: People, warehouse_url: str, settings: Settings, tmp_path: Path
) -> None:
    people.fill("people", 1)
    make_feed()
    home = tmp_path / "empty"
    home.mkdir()
    code = f"""
import os, socket
from pathlib import Path
from rapport.landing.load import load_feed
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
connect, hosts = socket.socket.connect, set()
def noted(self, address):
    hosts.add(address[0])
    return connect(self, address)
socket.socket.connect = noted
[feed] = read_feeds(Settings(Path({str(settings.home)!r}), Path({str(settings.config)!r}), None, None, None))
print(load_feed({warehouse_url!r}, feed).rows_loaded, sorted(hosts))
"""
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(PROJECT / "plugins")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1 ['127.0.0.1']", done.stderr
    assert list(home.rglob("*")) == []
