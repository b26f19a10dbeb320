"""What is loaded as one batch: a file, or one reading of a table or of an API."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rapport.errors import InputError
from rapport.sources.chunk import Chunk
from rapport.sources.feed import Feed
from rapport.sources.files import read_chunks
from rapport.sources.stored_file import SourceFile


class Delivery(Protocol):
    """Rows that belong together: all of them are loaded, or none."""

    @property
    def label(self) -> str:
        """What people call it: a file's path, or as in `shop_db: orders`."""

    def chunks(self) -> Iterator[Chunk]:
        """The rows, in order. Called once.

        Raises:
            InputError: what is read cannot be trusted as a whole.
        """

    @property
    def page_starts(self) -> Sequence[int] | None:
        """The lines that the pages of an API begin with, ascending; None where there are no pages."""

    def content_hash(self) -> str:
        """Equal for equal content. Asked for after the last chunk.

        Raises:
            InputError: the content changed while it was being read.
        """

    def cursor(self) -> Any:
        """Where the next reading begins, as JSON; None where there is nothing to remember."""


@dataclass(frozen=True)
class FileDelivery:
    """A file as it was when it was hashed."""

    feed: Feed
    file: SourceFile
    fingerprint: str
    file_hash: str

    @property
    def label(self) -> str:
        return self.file.path

    def chunks(self) -> Iterator[Chunk]:
        return read_chunks(self.feed, self.file)

    @property
    def page_starts(self) -> None:
        return None

    def content_hash(self) -> str:
        if self.file.fingerprint() != self.fingerprint:
            raise InputError(
                f"{self.file.path} was written to while it was being read; run again when it is complete"
            )
        return self.file_hash

    def cursor(self) -> None:
        return None


def fraction_read(delivery: Delivery) -> float | None:
    """Which part of the delivery was read, from 0 to 1; None where nobody knows how much there is."""
    return delivery.file.fraction_read() if isinstance(delivery, FileDelivery) else None
