"""`rapport held` and `rapport rejected`, as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from command_line import Rapport, rapport_of
from rapport.landing.load import FilesRefused, load_feed
from rapport.settings import Settings
from rapport.sources.feed import Feed

HEADER = "order,at,quantity,price,product\n"


@pytest.fixture
def rapport(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Rapport:
    url = str(settings.warehouse_url)
    return rapport_of(monkeypatch, capsys, home=settings.home, config=settings.config, url=url)


@pytest.fixture
def held_feed(make_feed: Callable[..., Feed], landing: Path, warehouse_url: str) -> Feed:
    feed = make_feed()
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,x,1,a\n" * 20)
    with pytest.raises(FilesRefused):
        load_feed(warehouse_url, feed)
    return feed


def test_held_batches_are_listed_and_accepted(rapport: Rapport, held_feed: Feed) -> None:
    code, out, _ = rapport("held")
    assert code == 0
    assert "shop: held since" in out
    assert "20 of 20 rows would be rejected" in out
    [batch] = json.loads(rapport("held", "--json")[1])
    assert (batch["feed"], batch["rows_held"], batch["accepted_at"]) == ("shop", 20, None)
    assert rapport("held", "accept", "shops")[::2] == (
        2,
        "rapport: nothing of shops is held; held are batches of shop\n",
    )
    code, out, _ = rapport("held", "accept", "shop")
    assert code == 0
    assert "the next run loads its 20 rows as they are" in out
    assert "accepted, the next run loads it" in rapport("held")[1]


def test_a_held_batch_can_be_left_out(rapport: Rapport, held_feed: Feed) -> None:
    assert "its 20 rows stay out" in rapport("held", "drop", "shop")[1]
    assert rapport("held")[1] == "No batch is held.\n"
    assert rapport("held", "drop", "shop")[2] == "rapport: nothing of shop is held; no batch is held\n"


def test_rejected_rows_are_listed_and_retried(
    rapport: Rapport, make_feed: Callable[..., Feed], landing: Path, warehouse_url: str
) -> None:
    assert rapport("rejected")[1] == "No row is rejected.\n"
    (landing / "shop.csv").write_text(HEADER + "1,2026-01-01,x,1,a\n2,2026-01-01,ann@example.com,1,a\n")
    load_feed(warehouse_url, make_feed())
    code, out, _ = rapport("rejected", "--feed", "shop")
    assert code == 0
    assert "shop: 2 rows: quantity is no number" in out
    assert "shop.csv, line 3: a***@e***.com" in out
    assert "ann@" not in out
    [reason] = json.loads(rapport("rejected", "--json")[1])
    assert (reason["feed"], reason["column"], reason["rows"]) == ("shop", "quantity", 2)
    assert "did you mean shop?" in rapport("rejected", "--source", "shpo")[2]
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("update ops.rejected_records set page = 3, line_number = 17")
    assert "shop.csv, page 3, record 17: a***@e***.com" in rapport("rejected")[1]

    assert "0 are loaded now, 0 were there already, 2 are rejected again" in rapport("rejected", "retry")[1]
    quantity = {"column": "quantity", "map": {"x": "1"}}
    columns = {"order_id": "order", "ordered_at": "at", "quantity": quantity, "unit_price": "price"}
    make_feed(columns=columns)
    _, out, _ = rapport("rejected", "retry", "shop")
    assert out == "shop: of 2 rows 1 are loaded now, 0 were there already, 1 are rejected again\n"
    make_feed(name="other", columns=columns)
    assert rapport("rejected", "retry", "other")[1] == "other: no rejected row of it can be tried again\n"
