"""A row loaded earlier is news once its times are past: newly_seen has to name every one of them."""

import re

import pytest

from rapport.settings import PROJECT
from rapport.streams import STREAMS, ColumnType, Stream

MACRO = (PROJECT / "dbt_project" / "macros" / "newly_seen.sql").read_text()
NAMED = {
    stream: set(re.findall(r"\w+", columns))
    for stream, columns in re.findall(r"'(\w+)': \[([^\]]*)\]", MACRO)
}
# The agreed end of a consent lies in the future without being hidden.
PLANNED = {"expires_at"}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=list(STREAMS))
def test_the_times_of_a_stream_are_all_named(stream: Stream) -> None:
    times = {column.name for column in stream.columns if column.type is ColumnType.TIMESTAMP}
    assert NAMED[stream.name] == times - PLANNED
