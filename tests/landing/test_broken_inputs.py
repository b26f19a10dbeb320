"""Whatever arrives: no crash, no row lost, and a reason that names the place."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from broken_inputs import COLUMNS, ROWS, Broken, broken_inputs

from rapport.landing.load import FilesRefused, load_feed
from rapport.sources.feed import Feed

MakeFeed = Callable[..., Feed]


def test_every_broken_input_is_loaded_rejected_or_refused_with_its_place(
    make_feed: MakeFeed, landing: Path, warehouse_url: str
) -> None:
    inputs = {f"{landing}/shop-{broken.name}": broken for broken in broken_inputs()}
    assert len(inputs) >= 200
    for path, broken in inputs.items():
        Path(path).write_bytes(broken.content)
    feed = make_feed(columns=COLUMNS, limits={"rejected": "off", "rows": "off"})
    with pytest.raises(FilesRefused) as error:
        load_feed(warehouse_url, feed)
    refused = str(error.value).splitlines()
    with psycopg.connect(warehouse_url) as connection:
        batches = connection.execute(BATCHES).fetchall()
        rejected = connection.execute(REJECTED).fetchall()
    loaded = {stored(row[0]): row for row in batches}
    faults: dict[str, list[tuple[Any, ...]]] = {}
    for row in rejected:
        faults.setdefault(stored(row[0]), []).append(row)
    wrong = []
    for path, broken in inputs.items():
        sentences = [sentence for sentence in refused if re.match(rf"{re.escape(path)}[ :,/]", sentence)]
        wrong += [
            f"{broken.name}: {complaint}"
            for complaint in complaints(broken, sentences, loaded.get(path), faults.get(path, []))
        ]
    assert not wrong, "\n".join(wrong)


def stored(path: str) -> str:
    """The file; of an archive's member, the archive."""
    return path.partition(".zip/")[0] + ".zip" if ".zip/" in path else path


BATCHES = """
    select file, rows_read, rows_loaded, rows_duplicate, rows_rejected,
        (select count(*) from raw.order_lines where order_lines.batch_id = load_batches.batch_id),
        (select count(*) from ops.rejected_records where rejected_records.batch_id = load_batches.batch_id)
    from ops.load_batches
"""
REJECTED = "select file, line_number, column_name, value, reason, record from ops.rejected_records"


def complaints(
    broken: Broken, sentences: list[str], batch: tuple[Any, ...] | None, faults: list[tuple[Any, ...]]
) -> list[str]:
    """What is not as it should be with an input."""
    if batch is None:
        found = [] if len(sentences) == 1 else [f"{len(sentences)} sentences"]
        return found + [f"refused: {sentences}"] * (broken.column is not None)
    _, read, loaded, duplicate, rejected_, in_raw, in_quarantine = batch
    found = ["loaded and refused"] if sentences else []
    if read != loaded + duplicate + rejected_ or loaded != in_raw or rejected_ != in_quarantine:
        found.append(f"counts {batch[1:]}")
    for _, line, _, _, reason, record in faults:
        if line is None or line < 1 or len(reason) < 15 or not isinstance(record, dict):
            found.append(f"rejected without its place: {line} {reason}")
    if broken.column is None:
        return found
    expected = ROWS + (broken.column == "")
    if (read, loaded, duplicate, rejected_) != (expected, expected - 1, 0, 1):
        found.append(f"expected {expected} rows and one of them rejected: {batch[1:]}")
    found += [
        f"expected line {broken.line} and column {broken.column}: {line} {column} {reason}"
        for _, line, column, _, reason, _ in faults
        if (line, column or "") != (broken.line, broken.column)
        or (broken.column and not reason.startswith(f"{broken.column} "))
    ]
    return found
