from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from rapport import warehouse
from rapport.errors import InputError
from rapport.landing import cursors
from rapport.landing.transaction import LoadCounts, load_delivery
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed

ROWS = {"order": ["1"], "at": ["2026-01-01"], "quantity": ["1"], "price": ["1"], "product": ["a"]}


class Reading:
    """One row of a table that ends at a cursor; a faulty one breaks after it."""

    label = "shop_db: orders"

    def __init__(self, content: str, cursor: Any, *, is_faulty: bool = False) -> None:
        self._content, self._cursor, self._is_faulty = content, cursor, is_faulty

    page_starts = None

    def chunks(self) -> Iterator[Chunk]:
        rows = pa.RecordBatch.from_pydict({**ROWS, "order": [self._content]})
        yield Chunk(rows, pa.array([1], pa.int64()))
        if self._is_faulty:
            raise InputError("the table is gone")

    def content_hash(self) -> str:
        return self._content

    def cursor(self) -> Any:
        return self._cursor


def test_a_cursor_moves_with_the_rows_that_were_read_up_to_it(
    make_feed: Callable[..., Feed], warehouse_url: str
) -> None:
    feed = make_feed()
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        assert cursors.read_cursor(connection, feed) is None
        assert load_delivery(connection, feed, Reading("a", {"since": 1})) == LoadCounts(1, 1, 0, 0)
        assert cursors.read_cursor(connection, feed) == {"since": 1}
        with pytest.raises(InputError, match="gone"):
            load_delivery(connection, feed, Reading("b", {"since": 2}, is_faulty=True))
        assert cursors.read_cursor(connection, feed) == {"since": 1}
        assert load_delivery(connection, feed, Reading("a", {"since": 3})) == LoadCounts()
        assert cursors.read_cursor(connection, feed) == {"since": 3}
        assert load_delivery(connection, feed, Reading("c", None)) == LoadCounts(1, 1, 0, 0)
        assert cursors.read_cursor(connection, feed) == {"since": 3}
        other = make_feed(name="other")
        assert cursors.read_cursor(connection, other) is None
        cursors.forget_cursor(connection, feed)
        assert cursors.read_cursor(connection, feed) is None
