"""Personal data and secrets in texts that are not for them: logs, XComs, rendered templates, the ledger."""

import csv
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psycopg

ADDRESS = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
DIGITS = re.compile(r"\d{9,}")
WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
SECRET_CHARACTERS = 12


@dataclass(frozen=True)
class Needles:
    """What must be nowhere: of everybody in the generated shop, and every secret of the installation."""

    addresses: frozenset[str]
    phones: frozenset[str]
    names: frozenset[tuple[str, str]]
    secrets: frozenset[str]

    def found_in(self, text: str) -> list[str]:
        """The kinds of needles in a text, with a short piece of each."""
        text = ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)
        addresses = {address.lower().strip("'.") for address in ADDRESS.findall(text)} & self.addresses
        phones = {run for run in DIGITS.findall(text) if run.lstrip("0") in self.phones}
        words = [word.lower() for word in WORD.findall(text)]
        names = {pair for pair in pairwise(words) if pair in self.names or pair[::-1] in self.names}
        secrets = {secret for secret in self.secrets if secret in text}
        return [
            *(f"address {address}" for address in sorted(addresses)[:3]),
            *(f"phone {phone}" for phone in sorted(phones)[:3]),
            *(f"name {' '.join(name)}" for name in sorted(names)[:3]),
            *(f"secret {secret[:4]}…" for secret in sorted(secrets)[:3]),
        ]


def needles(home: Path, warehouse_url: str) -> Needles:
    """From the truth beside the generated shop, and from what is under secrets/."""
    addresses, phones, names = set[str](), set[str](), set[tuple[str, str]]()
    with (home / "landing" / "truth" / "people.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            addresses |= {address.lower() for address in row["emails"].split()}
            phones |= {re.sub(r"\D", "", phone).lstrip("0") for phone in row["phones"].split()}
            first, last = WORD.findall(row["first_name"]), WORD.findall(row["last_name"])
            if first and last:
                names.add((first[-1].lower(), last[0].lower()))
    secrets = {file.read_text().strip() for file in (home / "secrets").rglob("*") if file.is_file()}
    password = re.search(r"://[^:/]*:([^@]+)@", warehouse_url)
    assert password is not None
    return Needles(
        frozenset(addresses),
        frozenset(phones - {""}),
        frozenset(names),
        frozenset(secret for secret in {*secrets, password[1]} if len(secret) >= SECRET_CHARACTERS),
    )


def texts_of_sqlite(file: Path) -> Iterator[tuple[str, str]]:
    """Every cell of every table that holds text or bytes, with the table's and the column's name."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        tables = [
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        for table in tables:
            rows = connection.execute(f'select * from "{table}"')
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        yield f"{table}.{column}", value.decode("utf-8", "replace")
                    elif isinstance(value, str):
                        yield f"{table}.{column}", value
    connection.close()


def texts_of_ledger(connection: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """What the ledger says of runs and loads, which the pages show."""
    for table in ("runs", "run_steps", "test_results", "load_batches", "source_freshness"):
        for (row,) in connection.execute(f"select told::text from ops.{table} as told"):  # type: ignore[arg-type]
            yield f"ops.{table}", row
