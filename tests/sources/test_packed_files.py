"""Files within gzip, zstd and zip, and those that unpack to more than anyone wants."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.errors import InputError
from rapport.sources import compression
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}
CSV = b"id,at\n1,x\n2,y\n"
ROWS = [("1", "x"), ("2", "y")]


def zst(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"id": ["1", "2"], "at": ["x", "y"]}), written)
    return written.getvalue()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


@pytest.fixture
def feed_of(make_feed: MakeFeed) -> Callable[..., Feed]:
    return lambda **read: make_feed(CONTACT, "contacts", read={"files": "landing/*", **read})


def read(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


def rows(feed: Feed) -> list[tuple[str, str]]:
    return [(row["id"], row["at"]) for chunk in read(feed) for row in chunk.rows.to_pylist()]


def refusal(feed: Feed) -> str:
    with pytest.raises(InputError) as error:
        read(feed)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("a.csv.gz", gzip.compress(CSV[:9], mtime=0) + gzip.compress(CSV[9:], mtime=0)),
        ("a.csv.zst", zst(CSV)),
        ("a.csv.zst", zst(CSV[:9]) + zst(CSV[9:])),
        ("a.csv.zip", zipped(("a.csv", CSV))),
        ("A.ZIP", zipped(("b.csv", CSV), ("__MACOSX/b.csv", b"x"), (".DS_Store", b"x"))),
        ("a.zip", zipped(("sub/b.csv.gz", gzip.compress(CSV, mtime=0)))),
        ("a.csv.gz.zst", zst(gzip.compress(CSV, mtime=0))),
        ("a.jsonl.zst", zst(b'{"id": 1, "at": "x"}\n{"id": 2, "at": "y"}')),
        ("a.json.zip", zipped(("a.json", json.dumps([{"id": i, "at": a} for i, a in ROWS]).encode()))),
        ("a.parquet.zst", zst(parquet())),
        ("a.zip", zipped(("a.parquet", parquet()))),
        ("a.csv.zip", zipped(("a.csv", CSV), method=zipfile.ZIP_BZIP2)),
    ],
)
def test_every_way_of_packing_is_unpacked(
    feed_of: Callable[..., Feed], landing: Path, name: str, content: bytes
) -> None:
    (landing / name).write_bytes(content)
    assert rows(feed_of()) == ROWS


def test_the_wanted_members_of_an_archive_are_files_of_their_own(
    feed_of: Callable[..., Feed], landing: Path
) -> None:
    content = zipped(("b.csv", CSV), ("a.csv", CSV[:10]), ("notes.txt", b"hello"))
    (landing / "x.zip").write_bytes(content)
    files = find_files(feed_of(member="*.csv"))
    assert [file.path for file in files] == [f"{landing}/x.zip/a.csv", f"{landing}/x.zip/b.csv"]
    assert [file.content_hash() for file in files] != [files[0].content_hash()] * 2
    assert rows(feed_of(member="*.csv")) == [ROWS[0], *ROWS]
    assert "x.zip holds 3 files (a.csv, b.csv, notes.txt); say which are meant with `member`" in refusal(
        feed_of()
    )
    assert "no member matches c.csv (read.member); did you mean" in refusal(feed_of(member="c.csv"))


def test_a_member_is_known_by_its_content(feed_of: Callable[..., Feed], landing: Path) -> None:
    (landing / "x.zip").write_bytes(zipped(("a.csv", CSV)))
    [first] = find_files(feed_of())
    known, mark = first.content_hash(), first.fingerprint()
    (landing / "x.zip").unlink()
    (landing / "y.zip").write_bytes(zipped(("other.csv", CSV), ("__MACOSX/x", b"y")))
    [second] = find_files(feed_of())
    assert second.content_hash() == known
    assert second.fingerprint() != mark


def damaged(content: bytes, at: int = -20) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)


LONG = b"id,at\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 1000) for n in range(20_000))
BROKEN = {
    "cut zst": ("a.csv.zst", zst(LONG)[:-9], "what is packed ends early"),
    "damaged zst": ("a.csv.zst", damaged(zst(LONG), 12), "what is packed is damaged"),
    "no zst": ("a.csv.zst", CSV, "ends in .zst and is not zstd"),
    "zst and more": ("a.csv.zst", zst(CSV) + b"xyz", "a.csv.zst: what is packed is damaged"),
    "cut zip": ("a.zip", zipped(("a.csv", LONG))[:-30], "ends in .zip and is no zip archive, or was cut off"),
    "no zip": ("a.zip", CSV, "ends in .zip and is no zip archive"),
    "empty zip": ("a.zip", b"", "ends in .zip and is no zip archive"),
    "zip of nothing": ("a.zip", zipped(), "is an archive without any file in it"),
    "damaged member": (
        "a.zip",
        damaged(zipped(("a.csv", LONG)), 3000),
        "a.zip/a.csv: what is packed is damaged",
    ),
    "damaged json": (
        "a.zip",
        damaged(zipped(("a.jsonl", b'{"id": 1, "at": 2}\n' * 9999)), 60),
        "a.zip/a.jsonl: what is packed is damaged",
    ),
    "unknown member": (
        "a.zip",
        zipped(("a.doc", CSV)),
        "a.zip/a.doc: a file's ending says how it is written",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_unpacked_is_refused(feed_of: Callable[..., Feed], landing: Path, case: str) -> None:
    name, content, sentence = BROKEN[case]
    (landing / name).write_bytes(content)
    assert sentence in refusal(feed_of())


def test_a_password_is_a_sentence(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = bytearray(zipped(("a.csv", CSV)))
    content[6] |= 1  # the flag of encryption in the member's header and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (landing / "a.zip").write_bytes(content)
    assert "a.csv is encrypted; deliver it without a password" in refusal(feed_of())


BOMB = b"id,at\n" + b"1,x\n" * 1_000_000
BOMBS = {
    "gz": ("a.csv.gz", gzip.compress(BOMB, mtime=0)),
    "zst": ("a.csv.zst", zst(BOMB)),
    "zip": ("a.zip", zipped(("a.csv", BOMB))),
    "gz in zip": ("a.zip", zipped(("a.csv.gz", gzip.compress(BOMB, mtime=0)))),
    "json": ("a.jsonl.gz", gzip.compress(b'{"id": 1, "at": 2}\n' * 200_000, mtime=0)),
    "parquet": ("a.parquet.gz", gzip.compress(BOMB, mtime=0)),
    "excel": ("a.xlsx", zipped(("xl/workbook.xml", BOMB))),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_stops_at_the_limit(
    feed_of: Callable[..., Feed], landing: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "HARMLESS", 1 << 20)
    name, content = BOMBS[case]
    (landing / name).write_bytes(content)
    said = refusal(feed_of(unpacked={"ratio": "10"}))
    assert "unpacks to more than 1 MB, over 10 times its size" in said
    assert "raise read.unpacked.ratio in the source file" in said
    if case in ("gz", "zst", "zip"):
        assert len(rows(feed_of(unpacked={"ratio": "50000"}))) == 1_000_000
    said = refusal(feed_of(unpacked={"ratio": "50000", "size": "1MB"}))
    assert "unpacks to more than 1 MB, the limit" in said
    assert "raise read.unpacked.size" in said


def test_a_member_that_lies_about_its_size_gives_no_more(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = bytearray(zipped(("a.csv", BOMB)))
    for header, offset in ((0, 22), (content.index(b"PK\x01\x02"), 24)):
        content[header + offset : header + offset + 4] = (100).to_bytes(4, "little")
    (landing / "a.zip").write_bytes(content)
    assert "a.zip/a.csv: what is packed is damaged" in refusal(feed_of())
