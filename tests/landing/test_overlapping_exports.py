from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.landing.load import load_feed
from rapport.sources.feed import Feed

# An export is a list of lines; equal numbers are equal lines of one order.
EXPORTS = st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=4)
number = count()


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(exports=EXPORTS, order=st.randoms(use_true_random=False))
def test_each_line_is_there_once_however_exports_overlap_and_are_sorted(
    exports: list[list[int]],
    order: Any,
    make_feed: Callable[..., Feed],
    landing: Path,
    warehouse_url: str,
    query: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    """What an export says about a line is how often it is there; the one that says most is right."""
    expected: Counter[int] = Counter()
    for export in exports:
        expected |= Counter(export)
    tables = []
    for _ in range(2):
        name = f"shop{next(number)}x"
        order.shuffle(exports)
        for place, export in enumerate(exports):
            order.shuffle(export)
            rows = [f"{line // 2},2026-01-01,1,1.{line}0,a\n" for line in export]
            text = "order,at,quantity,price,product\n" + "".join(rows)
            (landing / f"{name}{place}.csv").write_text(text)
        counts = load_feed(warehouse_url, make_feed(name=name))
        assert counts.rows_read == counts.rows_loaded + counts.rows_duplicate
        tables.append(
            query(
                "select order_id, unit_price::text, content_hash, row_key from raw.order_lines"
                f" where source = '{name}' order by 1, 2, 3, 4"
            )
        )
    assert Counter(int(price[2]) for _, price, _, _ in tables[0]) == expected
    assert tables[0] == tables[1]
