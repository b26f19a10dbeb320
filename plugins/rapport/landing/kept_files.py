"""Copies of the files that were read, compressed and named by content, for when the original is gone."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import IO, Any

import pyarrow as pa
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from rapport.errors import ConfigurationError, InputError
from rapport.settings import Settings
from rapport.sources.connections import find_connection
from rapport.sources.object_stores import storage_options
from rapport.sources.stored_file import SourceFile

BLOCK = 1 << 20


@dataclass(frozen=True)
class KeptFiles:
    """A folder, here or in an object store, with a zstd file for each content: `ab/abcd….zst`."""

    system: Any
    folder: str
    location: str

    @classmethod
    def at(cls, written: str, settings: Settings, connection: str | None = None) -> "KeptFiles":
        """The store at a path or URL, in which $NAME is a variable.

        Raises:
            ConfigurationError: a variable is not set, or the URL names a system that is not known.
        """
        try:
            place = Template(written).substitute({**os.environ, "RAPPORT_HOME": str(settings.home)})
        except (KeyError, ValueError):
            raise ConfigurationError(
                f"config/landing.yml: kept_files: {written} names a variable that is not set"
            ) from None
        if "://" not in place:
            place = os.path.normpath(settings.config.parent / Path(place).expanduser())
        try:
            options = storage_options(place, find_connection(connection)) if connection else {}
            system, folder = url_to_fs(place, **options)
            return cls(system, folder, place)
        except (ImportError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"config/landing.yml: kept_files: {written} cannot be opened ({error}); a folder is "
                "expected, or a URL such as s3://bucket/kept"
            ) from None

    def keep(self, file: SourceFile, file_hash: str) -> int | None:
        """Store the content under its hash; how many bytes that takes. None where the file is not as it was.

        What the hash is of is stored: the file as it is, and of an archive's member what comes out of it.

        Raises:
            OSError: the store cannot be written to.
        """
        path = self._path(file_hash)
        unfinished = f"{path}.{os.getpid()}"
        digest = hashlib.sha256()
        self._make_folder(os.path.dirname(path))
        try:
            with (
                file.open_stored() if file.member is None else file.open() as content,
                self.system.open(unfinished, "wb") as stored,
                pa.CompressedOutputStream(pa.PythonFile(stored, mode="w"), "zstd") as packed,
            ):
                while block := content.read(BLOCK):
                    digest.update(block)
                    packed.write(block)
            if digest.hexdigest() != file_hash:
                return None
            self._make_private(unfinished)
            self.system.mv(unfinished, path)
        except InputError:
            return None
        finally:
            with suppress(FileNotFoundError):
                self.system.rm(unfinished)
        return int(self.system.size(path) or 0)

    def remove(self, file_hash: str) -> None:
        """Remove the content, if it is there."""
        with suppress(FileNotFoundError):
            self.system.rm(self._path(file_hash))

    @contextmanager
    def open(self, file_hash: str, shown: str) -> Iterator[IO[bytes]]:
        """The content, in a temporary file that can be read from any place.

        Raises:
            InputError: it is gone, or is not what was stored.
        """
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as unpacked:
            try:
                with (
                    self.system.open(self._path(file_hash), "rb") as stored,
                    pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), "zstd") as content,
                ):
                    while block := content.read(BLOCK):
                        digest.update(block)
                        unpacked.write(block)
            except FileNotFoundError:
                raise InputError(
                    f"{shown} is gone, and so is its kept copy {self._path(file_hash)}; put the file back to "
                    "have it read again"
                ) from None
            except (OSError, pa.ArrowException) as error:
                if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise self._damaged(file_hash, shown) from error
            if digest.hexdigest() != file_hash:
                raise self._damaged(file_hash, shown)
            unpacked.seek(0)
            yield unpacked

    def _damaged(self, file_hash: str, shown: str) -> InputError:
        return InputError(
            f"{shown} is gone, and its kept copy {self._path(file_hash)} is damaged; put the file back to "
            "have it read again"
        )

    def _path(self, file_hash: str) -> str:
        return f"{self.folder}/{file_hash[:2]}/{file_hash}.zst"

    def _make_folder(self, folder: str) -> None:
        # What is kept is personal data: on this machine it is for this user alone.
        if isinstance(self.system, LocalFileSystem):
            for place in (self.folder, folder):
                if not os.path.isdir(place):
                    os.makedirs(place, exist_ok=True)
                    os.chmod(place, 0o700)

    def _make_private(self, path: str) -> None:
        if isinstance(self.system, LocalFileSystem):
            os.chmod(path, 0o600)


@dataclass(frozen=True)
class KeptFile(SourceFile):
    """A file that is read from its copy: `system` is the store, `stored` where the original was.

    Of a member of an archive (`is_member`) the copy holds what came out of it.
    """

    file_hash: str = ""
    is_member: bool = False

    @property
    def is_archive(self) -> bool:
        return False

    @property
    def is_compressed(self) -> bool:
        return not self.is_member and super().is_compressed

    @contextmanager
    def open_stored(self) -> Iterator[IO[bytes]]:
        with self.system.open(self.file_hash, self.path) as stream:
            yield stream

    def fraction_read(self) -> float | None:
        return None

    def fingerprint(self) -> str:
        return f"kept {self.file_hash}"

    def is_settled(self, seconds: float) -> bool:
        return False

    def content_hash(self) -> str:
        return self.file_hash
