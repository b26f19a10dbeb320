"""Broken files of every format, made by rule: a small good table with one fault in it.

Faults in a value reject its row and no other. Faults in the bytes of a file (cut off, bits turned over, parts
swapped, put in or left out at random, by a seed) either reject some rows or refuse the file.
"""

import gzip
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12
FAULTY = 7  # the row that a fault is in, from 0
NAMES = ("order", "line", "at", "quantity", "price", "kind", "email", "note")
COLUMNS = {
    "order_id": "order",
    "line_id": "line",
    "ordered_at": {"column": "at", "time_zone": "Europe/Berlin"},
    "quantity": "quantity",
    "unit_price": "price",
    "line_kind": "kind",
    "email": "email",
}
Table = list[dict[str, Any]]


@dataclass(frozen=True)
class Broken:
    """A file's name and bytes. Where the fault is in one value, `column` is the stream column that rejects
    the row and `line` the place that must be named; where it is in the file's bytes, both are None."""

    name: str
    content: bytes
    column: str | None = None
    line: int | None = None


def table(name: str) -> Table:
    """Good rows, the ids of which no other file has."""
    return [
        {
            "order": f"{name}-{row}",
            "line": str(row),
            "at": f"2026-05-{row + 1:02} 10:00:00",
            "quantity": "1",
            "price": f"{row}.50",
            "kind": "product",
            "email": f"p{row}@example.com",
            "note": f'a "note", {row}\nof two lines',
        }
        for row in range(ROWS)
    ]


def csv_of(rows: Table, delimiter: str = ",") -> bytes:
    def quoted(value: Any) -> str:
        return "" if value is None else '"' + str(value).replace('"', '""') + '"'

    lines = [NAMES, *([quoted(row.get(name)) for name in NAMES] for row in rows)]
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def lines_of(rows: Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def array_of(rows: Table) -> bytes:
    return json.dumps(rows, indent=1).encode()


def parquet_of(rows: Table) -> bytes:
    written = io.BytesIO()
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in NAMES}
    pq.write_table(pa.table(columns), written, compression="zstd")
    return written.getvalue()


def excel_of(rows: Table) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(list(NAMES))
    for row in rows:
        book.active.append([re.sub("[\0-\x08]", "", v) if (v := row.get(name)) else v for name in NAMES])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def zip_of(content: bytes, member: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
    return packed.getvalue()


def zst_of(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


# The ending, how rows are written, and the line on which row n stands.
FORMATS: dict[str, tuple[Callable[[Table], bytes], Callable[[int], int]]] = {
    "csv": (csv_of, lambda row: 2 + 2 * row),
    "csv.gz": (lambda rows: gzip.compress(csv_of(rows), mtime=0), lambda row: 2 + 2 * row),
    "csv.zst": (lambda rows: zst_of(csv_of(rows)), lambda row: 2 + 2 * row),
    "csv.zip": (lambda rows: zip_of(csv_of(rows), "a.csv"), lambda row: 2 + 2 * row),
    "jsonl": (lines_of, lambda row: 1 + row),
    "jsonl.gz": (lambda rows: gzip.compress(lines_of(rows), mtime=0), lambda row: 1 + row),
    "json": (array_of, lambda row: 1 + row),
    "json.zst": (lambda rows: zst_of(array_of(rows)), lambda row: 1 + row),
    "parquet": (parquet_of, lambda row: 1 + row),
    "parquet.gz": (lambda rows: gzip.compress(parquet_of(rows), mtime=0), lambda row: 1 + row),
    "xlsx": (excel_of, lambda row: 2 + row),
}
# Source column, value, and the stream column that must be named; without one, the source column.
VALUE_FAULTS: dict[str, tuple[str, str | None, str]] = {
    "no-order": ("order", None, "order_id"),
    "long-order": ("order", "x" * 501, "order_id"),
    "no-time": ("at", None, "ordered_at"),
    "odd-time": ("at", "31/12/2026", "ordered_at"),
    "early-time": ("at", "1066-10-14 09:00:00", "ordered_at"),
    "no-day": ("at", "2026-02-30 10:00:00", "ordered_at"),
    "odd-number": ("quantity", "one", "quantity"),
    "comma": ("price", "1,50", "unit_price"),
    "long-number": ("price", "9" * 40, "unit_price"),
    "not-a-number": ("price", "NaN", "unit_price"),
    "unknown-kind": ("kind", "prodct", "line_kind"),
    "long-address": ("email", "x" * 501, "email"),
    "nul": ("note", "a\0b", "note"),
}
BAD_LINES = [
    '{"order": "x", ',
    "[1, 2]",
    '"text"',
    "NaN",
    '{"order": 01}',
    '{"order": "\\ud800"}',
    "{'a': 1}",
]
BAD_LINES += [
    "[" * 5000,
    '{"order": "\x01"}',
    '{"a": 1} {"a": 2}',
    "null",
    '{"order": tru}',
    "}",
    '{"a": "\\x"}',
]


def broken_inputs() -> Iterator[Broken]:
    """All of them, always the same."""
    for ending in FORMATS:
        yield from _with_faulty_values(ending)
        yield from _with_faulty_bytes(ending)
    yield from _unreadable_rows()
    yield from _whole_files()


def _with_faulty_values(ending: str) -> Iterator[Broken]:
    write, line_of = FORMATS[ending]
    for fault, (name, value, column) in VALUE_FAULTS.items():
        if fault == "nul" and ending == "xlsx":
            continue  # no cell can hold one
        file = f"{fault}.{ending}"
        rows = table(file)
        rows[FAULTY][name] = value
        yield Broken(file, write(rows), column, line_of(FAULTY))


def _with_faulty_bytes(ending: str) -> Iterator[Broken]:
    write, _ = FORMATS[ending]
    for seed in range(18):
        rng = random.Random(f"{ending} {seed}")
        change = _CHANGES[seed % len(_CHANGES)]
        file = f"{change.__name__.strip('_')}-{seed}.{ending}"
        yield Broken(file, change(write(table(file)), rng))


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _bits(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _noise(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.randint(1, 40)) + content[at:]


def _hole(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randint(1, 60) :]


def _swap(content: bytes, rng: random.Random) -> bytes:
    first, second = sorted(rng.sample(range(len(content)), 2))
    return content[:first] + content[second:] + content[first:second]


def _twice(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content


_CHANGES = (_cut, _bits, _noise, _hole, _swap, _twice)


def _unreadable_rows() -> Iterator[Broken]:
    for number, bad in enumerate(BAD_LINES):
        file = f"bad-{number}.jsonl"
        lines = lines_of(table(file)).decode().splitlines()
        yield Broken(file, "\n".join([*lines[:FAULTY], bad, *lines[FAULTY:]]).encode(), "", FAULTY + 1)
    for number, bad in enumerate(
        ["5", '"text"', "null", "[1]", '{"order": 01}', '{"order": "\\ud800"}', "nul", ""]
    ):
        file = f"bad-{number}.json"
        records = [json.dumps(row) for row in table(file)]
        content = "[" + ",\n".join([*records[:FAULTY], bad, *records[FAULTY:]]) + "]"
        yield Broken(file, content.encode(), "", FAULTY + 1)
    for number, bad in enumerate(["a", "a,b", ",".join("abcdefghi"), '"a"', 'a,"b\nc"']):
        file = f"bad-{number}.csv"
        lines_ = csv_of(table(file)).splitlines(keepends=True)
        at = 1 + 2 * FAULTY
        content_ = b"".join([*lines_[:at], bad.encode() + b"\n", *lines_[at:]])
        yield Broken(file, content_, "", at + 1)


def _whole_files() -> Iterator[Broken]:
    rng = random.Random(7)
    for number, ending in enumerate((*FORMATS, "tsv", "ndjson", "xlsm", "txt", "zip", "doc", "xls")):
        # No two are the same: what is read under one name is known under any.
        yield Broken(f"empty.{ending}", b"")
        yield Broken(f"random.{ending}", rng.randbytes(3000))
        yield Broken(f"zeros.{ending}", bytes(3000 + number))
        yield Broken(f"newlines.{ending}", b"\n" * (3000 + number))
    for file, content in {
        "utf-16.csv": csv_of(table("utf-16")).decode().encode("utf-16"),
        "latin.csv": csv_of(table("latin")).replace(b"note", b"n\xf6te"),
        "semicolons.csv": csv_of(table("semicolons"), ";"),
        "no-column.csv": csv_of(table("no-column")).replace(b"price", b"prize", 1),
        "header-twice.csv": csv_of(table("twice")).replace(b"line", b"order", 1),
        "open-quote.csv": csv_of(table("open")) + b'"x',
        "no-column.jsonl": lines_of(table("no-column")).replace(b'"price"', b'"prize"'),
        "no-end.json": array_of(table("no-end"))[:-1],
        "more.json": array_of(table("more")) + b"[1]",
        "object.json": json.dumps({"data": table("object")}, indent=1).encode(),
        "object-line.json": json.dumps({"data": table("object")}).encode(),
        "no-column.parquet": parquet_of([{**row, "price": None} for row in table("x")]),
        "text.xlsx": csv_of(table("text")),
        "parquet.csv": parquet_of(table("parquet")),
        "excel.csv": excel_of(table("excel")),
        "gzip.csv": gzip.compress(csv_of(table("gzip"))),
        "plain.csv.gz": csv_of(table("plain")),
        "plain.csv.zst": csv_of(table("plain")),
        "two.zip": zip_of(csv_of(table("two")), "a.csv")[:-22] + zip_of(b"x", "b.csv"),
        "in-a-zip.zip": zip_of(zip_of(csv_of(table("in")), "a.csv"), "a.zip"),
    }.items():
        yield Broken(file, content)
