"""A generated shop that arrives in parcels, and the customer view built after each or once at the end."""

import gzip
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg.sql import SQL, Identifier

import parsed_project
from rapport import ledger, warehouse
from rapport.demo.truth import ShopTruth
from rapport.landing.load import load_feed
from rapport.ledger import Run
from rapport.settings import PROJECT, Settings
from rapport.sources.configuration import read_feeds

# What says which run wrote a row, and no more.
RUN_COLUMNS = ("run_id", "created_run_id")

CUSTOMER_ID = re.compile(r"c_[0-9a-f]{20}")

BUILD_VIEW = Path(__file__).with_name("build_view.py")


@dataclass(frozen=True)
class BuiltShop:
    """`folder` has the files of each feed (tests/demo/written_shop.py reads them); `url` is the warehouse."""

    folder: Path
    truth: ShopTruth
    url: str


def split(
    shop: Path,
    parcels: Sequence[Path],
    seed: int,
    *,
    late: Path | None = None,
    late_feeds: Sequence[str] = (),
) -> None:
    """Deal every row of every file to one of the folders at random: most events then arrive late.

    One more parcel, `late`, has rows of some feeds alone.
    """
    dealer = random.Random(seed)
    for path in sorted(path for path in shop.glob("*/*") if path.parent.name != "truth"):
        folders = [*parcels, late] if late is not None and path.parent.name in late_feeds else parcels
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            dealt = [dealer.randrange(len(folders)) for _ in range(table.num_rows)]
            for number, folder in enumerate(folders):
                rows = [row for row, part in enumerate(dealt) if part == number]
                if rows:
                    pq.write_table(table.take(pa.array(rows, pa.int64())), _place(folder, path))
            continue
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines(keepends=True)
        head = 1 if ".csv" in path.name else 0
        dealt = [dealer.randrange(len(folders)) for _ in lines[head:]]
        for number, folder in enumerate(folders):
            rest = [line for line, to in zip(lines[head:], dealt, strict=True) if to == number]
            if rest:  # an empty file would be refused
                part = b"".join([*lines[:head], *rest])
                _place(folder, path).write_bytes(gzip.compress(part) if path.suffix == ".gz" else part)


def load(settings: Settings, parcel: Path) -> None:
    """Load a parcel's files with the feeds that the repository ships, each from the folder of its name."""
    landing = settings.home / "landing"
    landing.unlink(missing_ok=True)
    landing.symlink_to(parcel)
    assert settings.warehouse_url is not None
    for feed in read_feeds(settings):
        if (parcel / feed.name).is_dir():
            load_feed(settings.warehouse_url, feed)


class Building:
    """Builds the customer view as runs do, up to the marts. A process of its own: dbt keeps files open."""

    def __init__(self, settings: Settings) -> None:
        url = settings.warehouse_url
        assert url is not None
        self.url, self.home = url, settings.home
        parsed_project.give(self.home)
        self.process = subprocess.Popen(
            [sys.executable, BUILD_VIEW],
            env={
                **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
                "PYTHONPATH": str(PROJECT / "plugins"),
                "RAPPORT_HOME": str(settings.home),
                "RAPPORT_CONFIG": str(settings.config),
                "RAPPORT_WAREHOUSE_URL": url,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def build(self, as_of: datetime, *, repeated_batch: int | None = None) -> Run:
        """Build a view. With `repeated_batch` as a run that repeats one which saw no more than that batch."""
        said = self._ask(as_of.isoformat(), repeated_batch or "")
        assert said[-1] == "built\n", "".join(said)
        parsed_project.keep(self.home)
        with warehouse.connect(self.url) as connection:
            newest = ledger.newest_run(connection)
        assert newest is not None
        return newest

    def break_off(self, as_of: datetime, table: str) -> None:
        """Begin a run that fails where it comes to write a table which earlier runs have made."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                """
                create function public.refuse() returns trigger language plpgsql as
                $$ begin raise exception 'refused by a test'; end $$
                """
            )
            connection.execute(
                SQL("create trigger refuse before insert on {} execute function public.refuse()").format(
                    Identifier(*table.split("."))
                )
            )
            said = self._ask(as_of.isoformat())
            assert said[-1] == "broken off\n", "".join(said)
            assert any("refused by a test" in line for line in said), "".join(said)
            connection.execute("drop function public.refuse cascade")

    def _ask(self, *words: object) -> list[str]:
        """The lines of the process's answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*words, file=self.process.stdin, flush=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line in ("built\n", "broken off\n"):
                break
        return said


def build(settings: Settings, as_of: datetime) -> Run:
    """Build one view, as `Building` does."""
    with Building(settings) as building:
        return building.build(as_of)


def tables(url: str, schemas: Sequence[str]) -> dict[str, list[str]]:
    """Every table's rows as sorted texts, without the columns that name a run.

    A customer keeps the id under which they were first seen, which differs with how often one looks; here
    they go by the first of their identifiers.
    """
    with psycopg.connect(url) as connection:
        name_of = dict(
            connection.execute(
                """
                select customer_id, min(kind || ':' || source || ':' || value)
                from identity.identifiers group by customer_id
                """
            ).fetchall()
        )
        names = connection.execute(
            """
            select table_schema || '.' || table_name, table_schema, table_name
            from information_schema.tables
            where table_schema = any(%s) and table_type = 'BASE TABLE'
            order by 1
            """,
            [list(schemas)],
        ).fetchall()
        shown = {}
        for name, schema, table in names:
            columns = connection.execute(
                """
                select column_name from information_schema.columns
                where table_schema = %s and table_name = %s and column_name <> all(%s)
                order by column_name
                """,
                [schema, table, list(RUN_COLUMNS)],
            ).fetchall()
            row = ", ".join(f'"{column}"' for (column,) in columns)
            rows = connection.execute(f'select row({row})::text from "{schema}"."{table}"')  # type: ignore[arg-type]
            shown[name] = sorted(
                CUSTOMER_ID.sub(lambda found: name_of.get(found[0], found[0]), text) for (text,) in rows
            )
        return shown


def _place(folder: Path, path: Path) -> Path:
    place = folder / path.parent.name / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
