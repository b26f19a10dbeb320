"""Template files: config/templates/*.mjml and *.html, and the shared pieces that they include."""

import re
from dataclasses import dataclass
from pathlib import Path

from rapport.campaigns.files import FileMistakes, nearest, shown
from rapport.delivery.rendering import HTML
from rapport.delivery.sandbox import mistakes_in

_INCLUDE = re.compile(r"""\{%-?\s*include\s+["']([^"']+)["']\s*-?%\}""")


@dataclass(frozen=True)
class TemplateText:
    """A template: `source` has its includes expanded; `files` is each file's own text, by shown name."""

    name: str
    source: str
    files: dict[str, str]


def read_template(folder: Path, name: str, named_in: str) -> TemplateText:
    """Read a template and what it includes, and check the Jinja of each file.

    Raises:
        FileMistakes: a file is missing or is no UTF-8 text, or its Jinja is wrong; with the line.
    """
    text = _read(folder, name, f"{named_in}: template")
    files = {shown(folder / name): text}
    source = text
    for found in _INCLUDE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        piece = _read(folder, found[1], f"{shown(folder / name)}, line {line}")
        files[shown(folder / found[1])] = piece
        source = source.replace(found[0], piece)
    # What is included is checked under its own name; the lines of this file keep their numbers.
    first = shown(folder / name)
    files[first] = _INCLUDE.sub("", text)
    mistakes = [
        f"{file}, line {line}: {sentence}"
        for file, part in files.items()
        for line, sentence in mistakes_in(part, HTML)
    ]
    if mistakes:
        raise FileMistakes(mistakes)
    return TemplateText(first, source, files)


def _read(folder: Path, name: str, where: str) -> str:
    known = sorted(path.name for path in folder.glob("*") if path.suffix in (".mjml", ".html"))
    if name not in known:
        raise FileMistakes([f"{where}: there is no file {name} in {folder.name}{nearest(name, known)}"])
    try:
        return (folder / name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{shown(folder / name)} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise FileMistakes([message]) from None
