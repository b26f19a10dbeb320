"""A shop's MariaDB, through the driver that MySQL has too. Needs Debian's mariadb-server-core."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import yaml

from rapport.landing.load import FilesRefused, LoadCounts, load_feed
from rapport.settings import Settings
from rapport.sources.configuration import read_feeds
from rapport.sources.feed import Feed

PROGRAM = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="mariadb-server-core is not installed")

TABLE = """
create table `people` (
    id bigint unsigned primary key, `na``me` varchar(50), changed_at datetime(6), seen_at timestamp null,
    price decimal(20, 4), is_member tinyint(1), extra json
) default charset utf8mb4
"""
COLUMNS = {
    "contact_id": "id",
    "updated_at": {"column": "changed_at", "time_zone": "Europe/Berlin"},
    "first_name": "na`me",
    "title": "price",
    "language": "seen_at",
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of the tests' own, as a user who is not root, on a free port."""
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    user = []
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = ["--user=nobody"]
    command = [
        str(PROGRAM),
        "--no-defaults",
        *user,
        f"--datadir={folder}",
        f"--socket={folder}/socket",
        f"--port={number}",
        "--bind-address=127.0.0.1",
        "--skip-grant-tables",
        "--default-time-zone=+05:00",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                pymysql.connect(host="127.0.0.1", port=number, user="shop").close()
                break
            except pymysql.err.OperationalError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        else:
            raise AssertionError((folder / "log").read_text())
        yield number
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder)


@pytest.fixture
def shop(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[pymysql.Connection]:
    """A connection to an empty database with two people in it."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DB", f"mysql://shop:top-secret@127.0.0.1:{port}/shop")
    with (
        pymysql.connect(host="127.0.0.1", port=port, user="shop") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("drop database if exists shop")
        cursor.execute("create database shop")
        cursor.execute("use shop")
        cursor.execute("set session time_zone = '+00:00'")
        cursor.execute(TABLE)
        cursor.execute(
            "insert into people values"
            " (1, 'Änn 🙂', '2026-01-01 10:00:00.5', '2026-01-01 09:00', 123456789.1000, 1, '{\"a\": 1.50}'),"
            " (2, 'Bob', '2026-01-01 11:00:00', null, null, null, null)"
        )
        connection.commit()
        yield connection


@pytest.fixture
def make_feed(settings: Settings) -> Callable[..., Feed]:
    """A feed of contacts; keys of `read.database` by keyword."""

    def make(**database: Any) -> Feed:
        keys = {"connection": "shop_db", "table": "people", "cursor": "changed_at", **database}
        read = {"database": {name: value for name, value in keys.items() if value is not None}}
        folder = settings.config / "sources"
        folder.mkdir(exist_ok=True)
        written = {"stream": "contacts", "source": "shop", "read": read, "columns": COLUMNS}
        (folder / "people.yml").write_text(yaml.safe_dump(written, sort_keys=False))
        return read_feeds(settings)[0]

    return make


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def test_a_table_is_read_with_its_types_and_then_what_is_new(
    make_feed: Callable[..., Feed], shop: pymysql.Connection, warehouse_url: str
) -> None:
    feed = make_feed(table="shop.people", overlap="10m")
    assert load_feed(warehouse_url, feed) == LoadCounts(2, 2, 0, 0)
    found = rows(
        warehouse_url,
        "select first_name, title, language, to_char(updated_at, 'YYYY-MM-DD HH24:MI:SS.MS'), payload"
        " from raw.contacts order by contact_id",
    )
    extra = {"is_member": "1", "extra": '{"a": 1.50}'}
    assert found == [
        ("Änn 🙂", "123456789.1000", "2026-01-01T09:00:00", "2026-01-01 09:00:00.500", extra),
        ("Bob", None, None, "2026-01-01 10:00:00.000", None),
    ]
    with shop.cursor() as cursor:
        cursor.execute(
            "insert into people (id, changed_at) values (3, '2026-01-01 10:50:00'),"
            " (4, '2026-01-01 10:49:59'), (5, '2026-01-01 11:00:00')"
        )
    shop.commit()
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 2, 1, 0), "overlap, and equal values at the border"


def test_what_is_committed_late_and_what_has_no_time_is_read(
    make_feed: Callable[..., Feed], shop: pymysql.Connection, warehouse_url: str
) -> None:
    feed = make_feed(overlap="10m")
    with shop.cursor() as cursor:
        cursor.execute("insert into people (id, changed_at) values (3, '2026-01-01 10:55:00')")
        load_feed(warehouse_url, feed)
        shop.commit()
        cursor.execute("insert into people (id) values (4)")
    shop.commit()
    assert load_feed(warehouse_url, feed) == LoadCounts(3, 1, 1, 1), "without a time it is read, and rejected"
    assert rows(warehouse_url, "select contact_id from raw.contacts order by 1") == [("1",), ("2",), ("3",)]


def test_reading_cannot_write_and_errors_hold_no_secret(
    make_feed: Callable[..., Feed], shop: pymysql.Connection, warehouse_url: str
) -> None:
    with shop.cursor() as cursor:
        cursor.execute("create sequence numbers")
    shop.commit()
    with pytest.raises(FilesRefused, match="READ ONLY transaction"):
        load_feed(
            warehouse_url,
            make_feed(table=None, query="select people.*, nextval(numbers) as number from people"),
        )
    with pytest.raises(FilesRefused, match="shop_db: peeple: the database cannot answer") as refused:
        load_feed(warehouse_url, make_feed(table="peeple"))
    assert "top-secret" not in str(refused.value)
