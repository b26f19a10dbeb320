"""Excel workbooks → chunks: the cells of a sheet as the text that says what Excel shows.

Numbers are read to the 15 digits that Excel has, so that 19.899999999999999 in the file is 19.9; times are
ISO 8601. openpyxl reads what a workbook is made of. The rows are read here, because its reader keeps
something of every row, and its table of texts is a list of all of them.
"""

import re
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import from_excel

from rapport.errors import InputError
from rapport.sources import faults
from rapport.sources.chunk import CHUNK_BYTES, CHUNK_ROWS, Chunk, Unreadable
from rapport.sources.excel_texts import SharedTexts, text_of
from rapport.sources.feed import Feed
from rapport.sources.mapped_columns import column_names, refuse_missing_columns
from rapport.sources.mistakes import nearest
from rapport.sources.stored_file import SourceFile

_MOST_COLUMNS = 16_384
_WHOLE = re.compile(r"-?[0-9]+")
_DAMAGE = (*faults.UNREADABLE, ET.ParseError, NotImplementedError)
Cells = dict[int, str]


def read_excel(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The rows of a sheet below its header row; a row's line is its number in the sheet.

    Columns without a name are known by their position, from 1; rows without any value are no rows.

    Raises:
        InputError: it is no workbook, or damaged, or protected; the sheet is not there or must be named; or a
            mapped column is missing.
    """
    number = 0
    try:
        with file.open_seekable() as stream:
            sheet = _Sheet(feed, file, stream)
            names: list[str] | None = None
            table = _Table()
            for number, cells in sheet.rows(table.unreadable):
                if names is None:
                    if number < (feed.read.header_row or 1):
                        continue
                    names = _names(feed, file, number, cells)
                    if feed.read.header_row is not None:
                        continue
                table.add(number, cells)
                if table.is_full:
                    yield table.take(names)
            if names is None:
                raise InputError(
                    f"{file.path}: the sheet {sheet.name!r} is empty; a row with the columns' names is "
                    "expected"
                )
            if len(table):
                yield table.take(names)
    except _DAMAGE as error:
        if file.is_compressed or isinstance(error, OSError):
            faults.explain(feed, file, error)
        raise InputError(
            f"{file.path}: the sheet is damaged or cut off after row {number} ({error}); save it again"
        ) from None


def _names(feed: Feed, file: SourceFile, number: int, cells: Cells) -> list[str]:
    width = max(cells, default=0)
    header = [cells.get(place, "") for place in range(1, width + 1)]
    given = list(feed.read.column_names)
    row = feed.read.header_row
    if row is None:
        header = given or [""] * width
    elif number != row:
        raise InputError(
            f"{file.path}, row {row} is blank; the columns' names are expected there. Where they are in "
            "another row, write header_row under read"
        )
    elif given and len(given) != width:
        raise InputError(
            f"{file.path}, row {row} has {width} columns, and read.column_names names {len(given)}"
        )
    names = column_names(given or header, f"{file.path}, row {number}")
    refuse_missing_columns(feed, file.path, names)
    return names


class _Table:
    """The rows of a chunk that is being gathered."""

    def __init__(self) -> None:
        self.unreadable: list[Unreadable] = []
        self._rows: list[Cells] = []
        self._lines: list[int] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._rows) + len(self.unreadable)

    @property
    def is_full(self) -> bool:
        return len(self) >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES

    def add(self, number: int, cells: Cells) -> None:
        self._rows.append(cells)
        self._lines.append(number)
        self._bytes += sum(map(len, cells.values()))

    def take(self, names: list[str]) -> Chunk:
        """What was gathered, as a chunk: the named columns, and by their position others with a value."""
        width = max((max(cells, default=0) for cells in self._rows), default=0)
        columns = {}
        for place in range(1, max(width, len(names)) + 1):
            name = names[place - 1] if place <= len(names) else str(place)
            column = pa.array([cells.get(place) for cells in self._rows], pa.string())
            if place <= len(names) or (column.null_count < len(column) and name not in names):
                columns[name] = column
        lines = pa.array(self._lines, pa.int64())
        chunk = Chunk(pa.RecordBatch.from_pydict(columns), lines, list(self.unreadable))
        self.unreadable.clear()
        self._rows, self._lines, self._bytes = [], [], 0
        return chunk


class _Sheet:
    """One sheet of a workbook, as a stream of its rows."""

    def __init__(self, feed: Feed, file: SourceFile, stream: IO[bytes]) -> None:
        self._path = file.path
        with _refusals_named(file, stream):
            reader = ExcelReader(stream, read_only=True, data_only=True)
            size = sum(member.file_size for member in reader.archive.infolist())
            stored = stream.seek(0, 2)
            if size > file.limits.allowed(stored):
                raise file.limits.refusal(file.path, stored)
            reader.read_manifest()
            reader.read_workbook()
            apply_stylesheet(reader.archive, reader.wb)
            sheets = [(sheet, rel.target) for sheet, rel in reader.parser.find_sheets()]
            self.name, self._target = _chosen(feed, file, sheets)
            self._archive: zipfile.ZipFile = reader.archive
            self._archive.getinfo(self._target)
            self._book = reader.wb
            self._texts = SharedTexts(reader.archive, reader.package)
        self._columns: dict[str, int] = {}

    def rows(self, unreadable: list[Unreadable]) -> Iterator[tuple[int, Cells]]:
        """(number, cells by column number) of each row that has a value; rows that cannot be read are added
        to `unreadable`."""
        number = 0
        with self._archive.open(self._target) as source:
            events = ET.iterparse(source, ("start", "end"))
            data = None
            for event, element in events:
                tag = element.tag.rpartition("}")[2]
                if event == "start":
                    data = element if tag == "sheetData" else data
                elif tag == "row":
                    number += 1
                    try:
                        number = int(element.get("r") or number)
                        cells = self._cells(element)
                    except (ValueError, IndexError, OverflowError) as error:
                        unreadable.append(Unreadable(number, "".join(element.itertext()), str(error)))
                        cells = {}
                    if data is not None:
                        data.clear()
                    if cells:
                        yield number, cells

    def _cells(self, row: Any) -> Cells:
        cells: Cells = {}
        place = 0
        for cell in row:
            place = self._place(cell.get("r")) or place + 1
            try:
                text = self._text(cell)
            except (ValueError, IndexError, OverflowError) as error:
                written = f"{cell.get('r') or f'column {place}'} cannot be read: {error}"
                raise ValueError(f"the cell {written}; mend it in Excel and save the file again") from None
            if text:
                cells[place] = text
        return cells

    def _place(self, reference: str | None) -> int:
        if reference is None:
            return 0
        letters = reference.rstrip("0123456789")
        if letters not in self._columns:
            place = 0
            for letter in letters.upper():
                place = place * 26 + ord(letter) - ord("A") + 1
            if not letters.isalpha() or not letters.isascii() or not 0 < place <= _MOST_COLUMNS:
                raise ValueError(f"{reference[:20]} is no cell; mend the file in Excel and save it again")
            self._columns[letters] = place
        return self._columns[letters]

    def _text(self, cell: Any) -> str | None:
        kind = cell.get("t", "n")
        written: str | None = None
        for part in cell:
            tag = part.tag.rpartition("}")[2]
            if tag == "v":
                written = part.text
            elif tag == "is":
                return text_of(part)
        if not written:
            return None
        match kind:
            case "s":
                return self._texts[int(written)]
            case "n":
                return self._number(written, int(cell.get("s") or 0))
            case "b":
                return "true" if int(written) else "false"
        return text_of(written)

    def _number(self, written: str, style: int) -> str:
        if style in self._book._date_formats:
            is_duration = style in self._book._timedelta_formats
            return str(from_excel(float(written), self._book.epoch, timedelta=is_duration))
        if _WHOLE.fullmatch(written):
            return written
        return f"{Decimal(f'{float(written):.15g}'):f}"


def _chosen(feed: Feed, file: SourceFile, sheets: list[tuple[Any, str]]) -> tuple[str, str]:
    """The name of the sheet that is meant, and where in the archive it is."""
    wanted = feed.read.sheet
    visible = [sheet.name for sheet, _ in sheets if sheet.state == "visible"]
    targets = {sheet.name: target for sheet, target in sheets}
    if wanted is None:
        if len(visible) != 1:
            raise InputError(
                f"{file.path} has {len(visible)} visible sheets ({', '.join(visible[:10])}); name the one "
                "that is meant with `sheet` under read"
            )
        return visible[0], targets[visible[0]]
    if wanted not in targets:
        raise InputError(f"{file.path} has no sheet {wanted!r} (read.sheet); {nearest(wanted, targets)}")
    return wanted, targets[wanted]


@contextmanager
def _refusals_named(file: SourceFile, stream: IO[bytes]) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:  # a broken workbook makes openpyxl fail in any way there is
        stream.seek(0)
        begin = stream.read(8)
        if not begin:
            reason = "is empty (0 bytes of content); a workbook is expected"
        elif begin == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            reason = "is protected by a password, or in the format of Excel 97; save it as .xlsx without one"
        elif not begin.startswith(b"PK"):
            reason = "is no Excel workbook; save it as .xlsx, or name it by what it is"
        else:
            reason = f"is damaged ({type(error).__name__}: {str(error).strip()[:200]}); save it again"
        raise InputError(f"{file.path} {reason}") from None
