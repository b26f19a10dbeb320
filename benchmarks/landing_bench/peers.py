"""What a load is compared with: raw COPY, pandas and dlt, on the same PostgreSQL, each in seconds."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv as arrow_csv

from rapport import warehouse


def dump(url: str, path: Path) -> int:
    """Write the rows of raw.web_events as COPY reads them, in the order of their file; how many there are."""
    with psycopg.connect(url) as connection, path.open("wb") as stream, connection.cursor() as cursor:
        with cursor.copy(
            "copy (select * from raw.web_events order by line_number) to stdout (format csv)"
        ) as copy:
            for block in copy:
                stream.write(block)
        return cursor.rowcount


def copy_and_insert(url: str, path: Path, columns: list[str]) -> float:
    """The limit: COPY of ready rows into a temporary table, then one insert with on conflict into raw."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with psycopg.connect(url) as connection:
        start = time.perf_counter()
        connection.execute("create temp table incoming (like raw.web_events) on commit drop")
        statement = sql.SQL("copy incoming ({}) from stdin (format csv)").format(names)
        with path.open("rb") as stream, connection.cursor().copy(statement) as copy:
            while block := stream.read(1 << 20):
                copy.write(block)
        connection.execute(
            sql.SQL(
                "insert into raw.web_events ({names}) select {names} from incoming on conflict do nothing"
            ).format(names=names)
        )
        connection.commit()
        return time.perf_counter() - start


def to_sql(url: str, rows: pd.DataFrame) -> float:
    """pandas, several rows a statement, 1,000 a chunk, into a table without keys."""
    from sqlalchemy import create_engine

    engine = create_engine(warehouse.sqlalchemy_url(url))
    try:
        start = time.perf_counter()
        rows.to_sql("peer_to_sql", engine, method="multi", chunksize=1000, index=False, if_exists="append")
        return time.perf_counter() - start
    finally:
        engine.dispose()


def dlt_append(url: str, events: Path) -> float:
    """dlt from Arrow tables of the file, append, in its fastest format for PostgreSQL, without checks."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    import dlt

    with tempfile.TemporaryDirectory(prefix="rapport-dlt-") as folder:
        pipeline = dlt.pipeline(
            "landing_benchmark",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials=url),
            dataset_name="peer_dlt",
        )
        start = time.perf_counter()
        pipeline.run(
            _batches(events), table_name="web_events", write_disposition="append", loader_file_format="csv"
        ).raise_on_failed_jobs()
        return time.perf_counter() - start


def _batches(events: Path) -> Iterator[Any]:
    with arrow_csv.open_csv(events, read_options=arrow_csv.ReadOptions(block_size=8 << 20)) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])
