"""Copies of the files that were read, compressed and named by content, for when the original is gone."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import IO, Any

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from rapport.errors import ConfigurationError, InputError, SourceUnavailable
from rapport.settings import Settings
from rapport.sources.connections import find_connection
from rapport.sources.object_stores import file_system, is_of_a_store, storage_options
from rapport.sources.stored_file import SourceFile

BLOCK = 1 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


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
            system, folder = file_system(place, options)
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
            SourceUnavailable: the store cannot be written to.
            OSError: there is no room left.
        """
        path = self._path(file_hash)
        unfinished = f"{path}.{os.getpid()}"
        with self._failures_named("copies cannot be kept there; they are made by the next run that can"):
            try:
                self._make_folder(os.path.dirname(path))
                if not self._write(file, unfinished, file_hash):
                    return None
                self._make_private(unfinished)
                self.system.mv(unfinished, path)
                return int(self.system.size(path) or 0)
            finally:
                with suppress(FileNotFoundError):
                    self.system.rm(unfinished)

    def _write(self, file: SourceFile, path: str, file_hash: str) -> bool:
        """Write the content to the path; whether that is what the hash is of."""
        digest = hashlib.sha256()
        with (
            self.system.open(path, "wb") as stored,
            pa.CompressedOutputStream(pa.PythonFile(stored, mode="w"), "zstd") as packed,
        ):
            try:
                with file.open_stored() if file.member is None else file.open() as content:
                    while block := content.read(BLOCK):
                        digest.update(block)
                        # The original's place must not be blamed for what the store says.
                        with self._failures_named("copies cannot be kept there"):
                            packed.write(block)
            except InputError:
                return False
        return digest.hexdigest() == file_hash

    def remove(self, file_hash: str) -> None:
        """Remove the content, if it is there.

        Raises:
            SourceUnavailable: the store does not do it.
        """
        with suppress(FileNotFoundError), self._failures_named("old copies cannot be removed"):
            self.system.rm(self._path(file_hash))

    @contextmanager
    def open(self, file_hash: str, shown: str) -> Iterator[IO[bytes]]:
        """The content, in a temporary file that can be read from any place.

        Raises:
            InputError: it is gone, or is not what was stored.
            SourceUnavailable: the store does not answer.
        """
        digest = hashlib.sha256()
        with tempfile.TemporaryFile() as unpacked:
            with tempfile.TemporaryFile() as packed:
                self._fetch(file_hash, shown, packed)
                try:
                    with pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd") as content:
                        while block := content.read(BLOCK):
                            digest.update(block)
                            unpacked.write(block)
                except (OSError, pa.ArrowException) as error:
                    if getattr(error, "errno", None) in _NO_ROOM:
                        raise
                    raise self._damaged(file_hash, shown) from error
            if digest.hexdigest() != file_hash:
                raise self._damaged(file_hash, shown)
            unpacked.seek(0)
            yield unpacked

    def _fetch(self, file_hash: str, shown: str, packed: IO[bytes]) -> None:
        try:
            with (
                self._failures_named(f"the copy of {shown} cannot be read"),
                self.system.open(self._path(file_hash), "rb") as stored,
            ):
                shutil.copyfileobj(stored, packed, BLOCK)
        except FileNotFoundError:
            raise InputError(
                f"{shown} is gone, and so is its kept copy {self._path(file_hash)}; put the file back to "
                "have it read again"
            ) from None
        packed.seek(0)

    @contextmanager
    def _failures_named(self, consequence: str) -> Iterator[None]:
        """What the store does not do is a sentence, which shows no secret."""
        try:
            yield
        except Exception as error:
            is_missing_or_full = isinstance(error, FileNotFoundError) or (
                getattr(error, "errno", None) in _NO_ROOM
            )
            if is_missing_or_full or not (isinstance(error, OSError) or is_of_a_store(error)):
                raise
            raise SourceUnavailable(
                f"config/landing.yml: kept_files: {self.location} does not answer as it should "
                f"({type(error).__name__}): {consequence}"
            ) from None

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
