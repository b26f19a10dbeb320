"""The files of a feed: finding them, knowing them by content, opening them, reading them in chunks."""

import errno
import gzip
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import IO, Any

from fsspec.core import url_to_fs

from rapport.errors import InputError
from rapport.sources.chunk import Chunk
from rapport.sources.explode import exploded, levels
from rapport.sources.feed import Feed
from rapport.sources.paths import EACH, PLACE, resolve

_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".json": "json_lines",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class SourceFile:
    """One file of a feed; `path` is what `system` knows it by, and what people read."""

    system: Any
    path: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def is_compressed(self) -> bool:
        return self.path.endswith(".gz")

    @property
    def kind(self) -> str:
        """`csv`, `json_lines` or `parquet`, by the name's ending.

        Raises:
            InputError: the ending is none that Rapport reads.
        """
        ending = PurePosixPath(self.path.removesuffix(".gz")).suffix.lower()
        if ending not in _KINDS:
            raise InputError(
                f"{self.path}: a file's ending says how it is written, and {ending or 'none'} is not known; "
                "rename it to end in .csv, .jsonl or .parquet, each also with .gz"
            )
        return _KINDS[ending]

    @contextmanager
    def open_stored(self) -> Iterator[IO[bytes]]:
        """The file's bytes as they are stored.

        Raises:
            InputError: it is gone, or may not be read.
        """
        try:
            stream = self.system.open(self.path, "rb")
        except FileNotFoundError:
            raise InputError(f"{self.path} is gone; it was there when the feed's files were listed") from None
        except PermissionError:
            raise InputError(f"{self.path} may not be read by this user; change its permissions") from None
        with stream:
            yield stream

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file's bytes, decompressed."""
        with self.open_stored() as stored:
            if not self.is_compressed:
                yield stored
                return
            with gzip.GzipFile(fileobj=stored, mode="rb") as unpacked:
                yield io.BufferedReader(unpacked, 1 << 20)

    def fingerprint(self) -> str:
        """Changes when the file is written anew (size, time, or what else its file system tells)."""
        return str(self.system.ukey(self.path))

    def content_hash(self) -> str:
        """SHA-256 of the stored bytes, in hexadecimal."""
        digest = hashlib.sha256()
        with self.open_stored() as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


def find_files(feed: Feed) -> list[SourceFile]:
    """The feed's files, sorted by path.

    Raises:
        InputError: there is none; the message says what was looked for and where.
    """
    pattern = feed.read.files
    try:
        system, path = url_to_fs(pattern)
        # Object stores remember listings; a file that arrived since must be seen.
        system.invalidate_cache()
        if not _WILDCARDS & set(path):
            return [_one_file(feed, system, path)]
        found = [p for p in sorted(system.glob(path)) if not system.isdir(p)]
    except (ImportError, ValueError) as error:
        raise InputError(f"{feed.name}: {pattern} cannot be opened: {error}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{feed.name}: {pattern} cannot be listed: {error.strerror or error}") from None
    if not found:
        raise InputError(f"{feed.name}: {_nothing_matches(system, path)}")
    return [SourceFile(system, p) for p in found]


def read_chunks(feed: Feed, file: SourceFile) -> Iterator[Chunk]:
    """The file's rows, in order, in chunks of at most 50,000; with `explode`, a row for each element.

    Raises:
        InputError: the file cannot be trusted as a whole; the message names file and line, and what is right.
    """
    match file.kind:
        case "csv":
            from rapport.sources.csv_files import read_csv as read
        case "json_lines":
            from rapport.sources.json_lines import read_json_lines as read
        case _:
            from rapport.sources.parquet_files import read_parquet as read
    return exploded(feed.explode, read(feed, file))


def missing_columns(feed: Feed, file: SourceFile, present: list[str]) -> None:
    """Refuse a file that lacks a mapped column.

    Raises:
        InputError: naming the file, each such column and the nearest one that is there.
    """
    exploding = [level.removesuffix(EACH) for level in levels(feed.explode)] if feed.explode else []
    sentences = []
    wanted = dict(feed.source_columns)
    if feed.explode:
        wanted["explode"] = (feed.explode,)
    for target, sources in wanted.items():
        for source in sources:
            reference = resolve(source, present)
            each = [str(step) for step in reference.steps if step in (EACH, PLACE)] if reference else []
            if each and source[: max(source.rindex(step) for step in each)] not in exploding:
                sentences.append(
                    f"{file.path}: {source} (mapped to {target}) stands for many values; write the list "
                    f"under `explode`, or one of its elements, as in {source.replace(each[0], '[0]', 1)}"
                )
            elif reference is None:
                folded = {name.casefold().strip(): name for name in present}
                near = get_close_matches(source.casefold().strip(), folded, n=1)
                hint = (
                    f"did you mean {folded[near[0]]!r}?"
                    if near
                    else f"it has: {', '.join(present) or 'none'}"
                )
                sentences.append(
                    f"{file.path}: there is no column {source!r}, which {feed.name} maps to {target}; {hint}"
                )
    if sentences:
        raise InputError("; ".join(dict.fromkeys(sentences)))


def _one_file(feed: Feed, system: Any, path: str) -> SourceFile:
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
    return SourceFile(system, path)


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
