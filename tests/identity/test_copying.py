"""What goes into PostgreSQL through COPY comes out of it the same."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from psycopg import sql

from rapport import warehouse
from rapport.identity import copying

SCHEMA = pa.schema(
    [("value", pa.large_string()), ("number", pa.int64()), ("seen_at", pa.timestamp("us", "UTC"))]
)


def test_every_value_survives_wherever_a_block_ends(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BLOCK_BYTES", 256)
    monkeypatch.setattr(copying, "ROWS_PER_WRITE", 7)
    values = [
        "plain",
        "",
        None,
        "two\nlines\r\n",
        'a "quote"',
        "a, comma",
        "\\N",
        "\\.",
        " ",
        "Ümlaut ☃",
        "NULL",
    ]
    moment = datetime(2026, 3, 29, 1, 30, 0, 123_457, tzinfo=UTC)
    rows = pa.table(
        {
            "value": values * 40,
            "number": list(range(len(values) * 40)),
            "seen_at": [moment, None, *[moment] * (len(values) * 40 - 2)],
        },
        SCHEMA,
    )
    with warehouse.connect(warehouse_url) as connection:
        connection.execute("create temp table here (value text, number bigint, seen_at timestamptz)")
        copying.write(connection, sql.Identifier("here"), rows)
        back = copying.read(connection, "select value, number, seen_at from here order by number", SCHEMA)
    assert back.combine_chunks().equals(rows)


def test_a_query_without_rows_gives_an_empty_table(warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url) as connection:
        query = "select ''::text, 1::bigint, now() where false"
        assert copying.read(connection, query, SCHEMA).equals(SCHEMA.empty_table())


def test_empty_chunks_leave_no_trace(warehouse_url: str) -> None:
    row = pa.table({"value": ["a"], "number": [1], "seen_at": [datetime(2026, 1, 1, tzinfo=UTC)]}, SCHEMA)
    empty = SCHEMA.empty_table()
    with warehouse.connect(warehouse_url) as connection:
        connection.execute("create temp table here (value text, number bigint, seen_at timestamptz)")
        copying.write(connection, sql.Identifier("here"), pa.concat_tables([empty, row, empty, row, empty]))
        assert connection.execute("select value, number from here").fetchall() == [("a", 1), ("a", 1)]
