"""Excel workbooks, as Excel and other programs write them."""

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from rapport.errors import InputError
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import find_files, read_chunks

MakeFeed = Callable[..., Feed]
CONTACT = {"contact_id": "id", "updated_at": "at"}
SHEET = "xl/worksheets/sheet1.xml"
TEXTS = "xl/sharedStrings.xml"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


@pytest.fixture
def feed_of(make_feed: MakeFeed) -> Callable[..., Feed]:
    return lambda **read: make_feed(CONTACT, "contacts", read={"files": "landing/*", **read})


def workbook(*rows: list[Any], **sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, content in {"Orders": list(rows), **sheets}.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def with_shared_texts(content: bytes) -> bytes:
    """The workbook with its texts in a table, as Excel writes them."""
    texts: list[str] = []

    def shared(match: re.Match[str]) -> str:
        texts.append(match[2])
        return f'<c r="{match[1]}" t="s"><v>{len(texts) - 1}</v></c>'

    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            if name == SHEET:
                text = re.sub(r'<c r="(\w+)" t="inlineStr"><is><t[^>]*>([^<]*)</t></is></c>', shared, text)
            if name == "[Content_Types].xml":
                kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
                part = f'<Override PartName="/{TEXTS}" ContentType="{kind}"/></Types>'
                text = text.replace("</Types>", part)
            after.writestr(name, text)
        items = "".join(f"<si><r><t>{text[:2]}</t></r><r><t>{text[2:]}</t></r></si>" for text in texts)
        namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        after.writestr(TEXTS, f'<sst xmlns="{namespace}">{items}</sst>')
    return written.getvalue()


def changed(content: bytes, part: str, old: str, new: str) -> bytes:
    """The workbook with other text in one of its parts, as other programs may write it."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            text = before.read(name)
            if name == part:
                assert old.encode() in text, text
                text = text.replace(old.encode(), new.encode())
            after.writestr(name, text)
    return written.getvalue()


def read(feed: Feed) -> list[Chunk]:
    return [chunk for file in find_files(feed) for chunk in read_chunks(feed, file)]


def rows(feed: Feed) -> list[dict[str, Any]]:
    return [row for chunk in read(feed) for row in chunk.rows.to_pylist()]


def refusal(feed: Feed) -> str:
    with pytest.raises(InputError) as error:
        read(feed)
    return str(error.value)


def test_cells_are_what_excel_shows(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = workbook(
        ["id", "at"],
        [1, dt.datetime(2026, 7, 1, 12, 30, 5)],
        [19.899999999999999, dt.date(2026, 7, 1)],
        [0.1 + 0.2, 1.5],
        ["00012", True],
        [10**17, " text "],
        ["=1+1", dt.time(8, 30)],
        [None, "two\nlines & <more> é"],
    )
    (landing / "a.xlsx").write_bytes(content)
    assert [tuple(row.values()) for row in rows(feed_of())] == [
        ("1", "2026-07-01 12:30:05"),
        ("19.9", "2026-07-01 00:00:00"),
        ("0.3", "1.5"),
        ("00012", "true"),
        ("100000000000000000", " text "),
        (None, "08:30:00"),
        (None, "two\nlines & <more> é"),
    ]


def test_rows_keep_their_numbers_and_empty_ones_are_none(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = workbook(["Report of May"], [], ["id", "at"], [1, "x"], [], [None, None], [2, "y", "beside"])
    (landing / "a.xlsx").write_bytes(content)
    [chunk] = read(feed_of(header_row="3"))
    assert chunk.lines.to_pylist() == [4, 7]
    assert chunk.rows.to_pylist() == [
        {"id": "1", "at": "x", "3": None},
        {"id": "2", "at": "y", "3": "beside"},
    ]
    assert "a.xlsx, row 2 is blank; the columns' names are expected there" in refusal(feed_of(header_row="2"))
    assert "it has none of the columns that shop maps (id, at)" in refusal(feed_of())


def test_columns_may_be_named_by_position_or_by_the_feed(make_feed: MakeFeed, landing: Path) -> None:
    (landing / "a.xlsx").write_bytes(workbook([1, "x"], [2, "y"]))
    by_place = make_feed(
        {"contact_id": 1, "updated_at": 2}, "contacts", read={"files": "landing/*", "header_row": "none"}
    )
    assert rows(by_place) == [{"1": "1", "2": "x"}, {"1": "2", "2": "y"}]
    names = {"header_row": "none", "column_names": ["id", "at"]}
    assert rows(make_feed(CONTACT, "contacts", read={"files": "landing/*", **names}))[1] == {
        "id": "2",
        "at": "y",
    }


def test_the_sheet_is_chosen(feed_of: Callable[..., Feed], landing: Path) -> None:
    (landing / "a.xlsx").write_bytes(workbook(["x"], May=[["id", "at"], [5, "x"]]))
    assert rows(feed_of(sheet="May")) == [{"id": "5", "at": "x"}]
    assert "has 2 visible sheets (Orders, May); name the one that is meant with `sheet`" in refusal(feed_of())
    assert "has no sheet 'may' (read.sheet); did you mean May?" in refusal(feed_of(sheet="may"))


def test_files_of_other_programs_are_read(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = with_shared_texts(workbook(["id", "at"], [1, "x_x0041_"], [2, "two runs of it"]))
    # a dimension that is wrong, and a cell without a reference
    content = changed(content, SHEET, 'ref="A1:B3"', 'ref="A1"')
    content = changed(content, SHEET, ' r="A3"', "")
    (landing / "a.xlsx").write_bytes(content)
    assert rows(feed_of()) == [{"id": "1", "at": "xA"}, {"id": "2", "at": "two runs of it"}]


def test_a_cell_that_cannot_be_read_is_one_rejected_row(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = with_shared_texts(workbook(["id", "at"], [1, "x"], [2, "y"], [3, "z"]))
    content = changed(content, SHEET, '<c r="B3" t="s"><v>3</v></c>', '<c r="B3" t="s"><v>99</v></c>')
    content = changed(content, SHEET, '<c r="A4" t="n"><v>3</v></c>', '<c r="A4" t="n"><v>three</v></c>')
    (landing / "a.xlsx").write_bytes(content)
    [chunk] = read(feed_of())
    assert chunk.rows.num_rows == 1
    assert [(row.line_number, row.reason.split(";")[0]) for row in chunk.unreadable] == [
        (3, "the cell B3 cannot be read: there is no shared text 99"),
        (4, "the cell A4 cannot be read: could not convert string to float: 'three'"),
    ]


def test_rows_far_below_cost_nothing(feed_of: Callable[..., Feed], landing: Path) -> None:
    content = workbook(["id", "at"], [1, "x"])
    content = changed(content, SHEET, '<row r="2">', '<row r="1048576">')
    (landing / "a.xlsx").write_bytes(content)
    assert read(feed_of())[0].lines.to_pylist() == [1048576]


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><worksheet><sheetData><row><c><v>&i;</v></c></row></sheetData></worksheet>"
)
GOOD = with_shared_texts(workbook(["id", "at"], *([n, f"text {n}"] for n in range(500))))


def with_part(part: str, text: str | None) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as before, zipfile.ZipFile(written, "w") as after:
        for name in before.namelist():
            if name != part:
                after.writestr(name, before.read(name))
            elif text is not None:
                after.writestr(name, text)
    return written.getvalue()


SHEET_TEXT = zipfile.ZipFile(io.BytesIO(GOOD)).read(SHEET).decode()
BROKEN = {
    "empty": (b"", "a.xlsx is empty (0 bytes of content); a workbook is expected"),
    "csv": (b"id,at\n1,x\n", "a.xlsx is no Excel workbook; save it as .xlsx, or name it by what it is"),
    "excel 97": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999),
        "is protected by a password, or in the format of",
    ),
    "cut off": (GOOD[:-100], "a.xlsx is damaged"),
    "another zip": (with_part("[Content_Types].xml", None), "a.xlsx is damaged"),
    "no sheet": (with_part(SHEET, None), "a.xlsx is damaged"),
    "no texts": (with_part(TEXTS, None), "a.xlsx is damaged"),
    "broken workbook": (with_part("xl/workbook.xml", "<x"), "a.xlsx is damaged"),
    "broken styles": (with_part("xl/styles.xml", "hello"), "a.xlsx is damaged"),
    "broken sheet": (with_part(SHEET, SHEET_TEXT[:9000]), "the sheet is damaged or cut off after row"),
    "an empty sheet": (workbook(), "the sheet 'Orders' is empty; a row with the columns' names is expected"),
    "a billion laughs": (with_part(SHEET, LAUGHS), "the sheet is damaged or cut off after row 0"),
    "the same column twice": (workbook(["id", "at", "at"]), "row 1: the column 'at' is named twice"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_workbook_that_cannot_be_trusted_is_refused(
    feed_of: Callable[..., Feed], landing: Path, case: str
) -> None:
    content, sentence = BROKEN[case]
    (landing / "a.xlsx").write_bytes(content)
    assert sentence in refusal(feed_of())
