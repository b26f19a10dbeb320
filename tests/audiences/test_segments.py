"""Which segments there are."""

from pathlib import Path

import pytest

from rapport.audiences.segments import segment_names
from rapport.errors import ConfigurationError


def test_every_sql_file_is_a_segment(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "segments"
    folder.mkdir(parents=True)
    for name in ("loyal.sql", "active.sql", "segments.yml"):
        (folder / name).touch()
    assert segment_names(tmp_path) == ["active", "loyal"]


def test_a_missing_folder_does_not_read_as_no_segments(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="models/segments: no such folder"):
        segment_names(tmp_path)
