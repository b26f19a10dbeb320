"""Names and paths from configuration and from folders reach PostgreSQL and the file system as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rapport.landing.load import load_feed, reload
from rapport.landing.retry import retry_rejected
from rapport.landing.transaction import LoadCounts
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]
Query = Callable[[str], list[tuple[Any, ...]]]

EVIL = """x'; drop schema raw cascade; --"%s%(batch_id)s{table}{0}\\"""
CONTACT = {"contact_id": EVIL, "updated_at": "at"}
LINE = {
    "order_id": EVIL,
    "ordered_at": "at",
    "quantity": {"value": "1"},
    "unit_price": {"value": "1"},
    "product_name": {"column": "name", "map": {EVIL: EVIL + "!"}, "otherwise": EVIL},
    "category": {"join": [EVIL, "name"], "separator": EVIL},
    "line_kind": {"value": "other"},
}


@pytest.mark.parametrize(
    ("stream", "mode", "key", "columns"),
    [
        ("order_lines", "append", "order_id", LINE),
        ("order_lines", "replace_order", "order_id", LINE),
        ("contacts", "versions", "contact_id", CONTACT),
        ("contacts", "snapshot", "contact_id", CONTACT),
        ("web_events", "append", "event_id", {"event_id": EVIL, "event_name": "name", "occurred_at": "at"}),
    ],
)
def test_names_and_values_are_no_sql(
    make_feed: MakeFeed,
    landing: Path,
    warehouse_url: str,
    query: Query,
    stream: str,
    mode: str,
    key: str,
    columns: dict[str, Any],
) -> None:
    header = f'"{EVIL.replace(chr(34), chr(34) * 2)}",at,name,"{EVIL.replace(chr(34), chr(34) * 2)} too"\n'
    row = header.replace(",at,", ",2026-01-01,")
    bad = row.replace("2026-01-01", EVIL.replace('"', "'"))
    name = EVIL.replace("\\", "").replace('"', "")
    (landing / "one.csv").write_text(header + row)
    keys = {"name": name, "mode": mode, "source": EVIL, "read": {"files": "landing/one*"}}
    feed = make_feed(stream, columns=columns, **keys)
    assert load_feed(warehouse_url, feed) == LoadCounts(1, 1, 0, 0)
    (landing / "one2.csv").write_text(header + row + bad)
    assert load_feed(warehouse_url, feed).rows_rejected == 1
    reload(warehouse_url, feed)
    load_feed(warehouse_url, feed)
    load_feed(warehouse_url, make_feed(stream, columns={**columns, "city": {"value": EVIL}}, **keys))
    if mode == "append":
        retry_rejected(warehouse_url, feed)
    assert query(f"select distinct {key}, source, payload from raw.{stream}") == [
        (EVIL, EVIL, {f"{EVIL} too": f"{EVIL} too"} | ({} if stream != "contacts" else {"name": "name"}))
    ]
    assert query("select distinct feed, source from ops.load_batches") == [(name, EVIL)]


@pytest.mark.parametrize(
    "name", ["$(touch made).csv", "a; touch made;.csv", "'; drop schema raw;--.csv", "%s{0}|.csv"]
)
@pytest.mark.parametrize("wildcard", [True, False])
def test_file_names_are_names(
    make_feed: MakeFeed, landing: Path, warehouse_url: str, query: Query, name: str, wildcard: bool
) -> None:
    (landing / name).write_text("order,at,quantity,price,product\n1,2026-01-01,1,1,a\n")
    files = "landing/*" if wildcard else f"landing/{name.replace('$', '$$')}"
    assert load_feed(warehouse_url, make_feed(read={"files": files})) == LoadCounts(1, 1, 0, 0)
    assert query("select file from ops.load_batches") == [(str(landing / name),)]
    assert [path.name for path in landing.parent.rglob("made*")] == []
