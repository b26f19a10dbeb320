"""A workbook's table of shared texts, in a temporary file: a million of them take 8 MB of memory."""

import mmap
import re
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from array import array
from typing import Any

from openpyxl.xml.constants import SHARED_STRINGS

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedTexts:
    """The texts by their number."""

    def __init__(self, archive: zipfile.ZipFile, package: Any) -> None:
        self._ends = array("Q", [0])
        self._texts: mmap.mmap | bytes = b""
        part = package.find(SHARED_STRINGS)
        if part is None:
            return
        with archive.open(part.PartName[1:]) as source, tempfile.TemporaryFile() as file:
            self._write(source, file)
            file.flush()
            if self._ends[-1]:
                self._texts = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise IndexError(f"there is no shared text {number}")
        return self._texts[self._ends[number] : self._ends[number + 1]].decode()

    def _write(self, source: Any, file: Any) -> None:
        root = None
        for event, element in ET.iterparse(source, ("start", "end")):
            if root is None:
                root = element
            if event == "end" and element.tag.rpartition("}")[2] == "si":
                self._ends.append(self._ends[-1] + file.write(text_of(element).encode()))
                root.clear()


def text_of(element: Any) -> str:
    """The text of an element with runs of formatted text in it, or of a text, without Excel's own escapes."""
    if isinstance(element, str):
        text = element
    else:
        text = ""
        for part in element:
            match part.tag.rpartition("}")[2]:
                case "t":
                    text += part.text or ""
                case "r":
                    text += "".join(run.text or "" for run in part if run.tag.rpartition("}")[2] == "t")
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
