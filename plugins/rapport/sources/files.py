"""The files of a feed: finding them, and reading them in chunks."""

import errno
import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

from rapport.errors import InputError
from rapport.sources.archives import members
from rapport.sources.chunk import Chunk
from rapport.sources.explode import exploded
from rapport.sources.feed import Feed
from rapport.sources.object_stores import failures_named, open_system
from rapport.sources.only import only_rows
from rapport.sources.stored_file import SourceFile

_WILDCARDS = frozenset("*?[")


def find_files(feed: Feed) -> list[SourceFile]:
    """The feed's files, sorted by path; of an archive, each member that is wanted.

    Raises:
        InputError: there is none; the message says what was looked for and where.
    """
    pattern = feed.read.files
    system, path = open_system(feed)
    try:
        with failures_named(pattern):
            found = _listed(feed, system, path)
    except ValueError as error:
        raise InputError(f"{feed.name}: {pattern} cannot be listed: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{feed.name}: {pattern} cannot be listed: {error.strerror or error}") from None
    if not found:
        raise InputError(f"{feed.name}: {_nothing_matches(system, path)}")
    return [file for stored in found for file in _files_in(feed, system, stored)]


def read_chunks(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The file's rows, in order, in chunks of at most 50,000; with `explode`, a row for each element.

    Raises:
        InputError: the file cannot be trusted as a whole; the message names file and line, and what is right.
    """
    if file.is_archive and file.member is None:
        with file.open():
            raise InputError(f"{file.path} was written to while it was being read; run again")
    match file.kind:
        case "csv":
            from rapport.sources.csv_files import read_csv as read
        case "json":
            from rapport.sources.json_files import read_json as read
        case "excel":
            from rapport.sources.excel_files import read_excel as read
        case _:
            from rapport.sources.parquet_files import read_parquet as read
    return only_rows(feed.only, exploded(feed.explode, read(feed, file)))


def _listed(feed: Feed, system: Any, path: str) -> list[str]:
    # Object stores remember listings; a file that arrived since must be seen.
    system.invalidate_cache()
    if not _WILDCARDS & set(path):
        return [_one_file(feed, system, path)]
    found = system.glob(path, detail=True)
    return [name for name, told in sorted(found.items()) if told["type"] != "directory"]


def _files_in(feed: Feed, system: Any, stored: str) -> list[SourceFile]:
    """The file, or the wanted members of an archive. One that cannot be opened is refused when it is read, so
    that the feed's other files are loaded."""
    read = feed.read
    whole = SourceFile(system, stored, None, read.format, read.member, read.unpacked)
    if not whole.is_archive:
        return [whole]
    try:
        with whole.open_stored() as stream:
            names = [member.filename for member in members(stream, stored, read.member, read.unpacked)]
    except InputError:
        return [whole]
    return [SourceFile(system, stored, name, read.format, read.member, read.unpacked) for name in names]


def _one_file(feed: Feed, system: Any, path: str) -> str:
    if system.isdir(path):
        raise InputError(f"{feed.name}: {path} is a folder; name the files in it, as in {path}/*.csv")
    if not system.exists(path):
        folder = os.path.dirname(path)
        if folder and not system.isdir(folder):
            raise InputError(f"{feed.name}: there is no file {path}: {_missing_folder(system, folder)}")
        names = [PurePosixPath(p).name for p in system.ls(folder or ".", detail=False)]
        near = get_close_matches(PurePosixPath(path).name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the folder has {len(names)} other files"
        raise InputError(f"{feed.name}: there is no file {path}; {hint}")
    return path


def _nothing_matches(system: Any, path: str) -> str:
    fixed = []
    for part in path.split("/"):
        if _WILDCARDS & set(part):
            break
        fixed.append(part)
    folder = "/".join(fixed) or "/"
    if not system.isdir(folder):
        return f"no file matches {path}: {_missing_folder(system, folder)}"
    names = sorted(PurePosixPath(p).name for p in system.ls(folder, detail=False))
    there = (
        f"it has {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}" if names else "it is empty"
    )
    return f"no file matches {path}; the folder {folder} exists and {there}"


def _missing_folder(system: Any, folder: str) -> str:
    above = folder
    while above not in ("", "/") and not system.isdir(above):
        folder, above = above, os.path.dirname(above)
    return f"the folder {folder} does not exist; create it, or mend read.files"
