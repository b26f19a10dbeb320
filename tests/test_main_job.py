"""What a full disk looks like from a run."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError

from rapport.errors import DiskFull
from rapport.main_job import disk_errors_named


def execute(folder: Path, statement: str) -> None:
    """Run a statement in a database of three pages at most: SQLite then says that the disk is full."""
    engine = create_engine(f"sqlite:///{folder / 'airflow.db'}", poolclass=pool.NullPool)
    event.listen(engine, "connect", lambda connection, _: connection.execute("pragma max_page_count = 3"))
    with disk_errors_named(folder), engine.begin() as connection:
        connection.execute(text(statement))


def test_a_full_disk_under_airflows_metadata_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="no space left on the disk; free some room"):
        execute(tmp_path, "create table filled as select zeroblob(100000) as content")


def test_other_database_errors_keep_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(DBAPIError, match="no such table"):
        execute(tmp_path, "select * from nowhere")
