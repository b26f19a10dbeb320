"""File systems by URL through fsspec."""

from typing import Any

from fsspec.core import url_to_fs

from rapport.errors import InputError
from rapport.sources.feed import Feed


def open_system(feed: Feed) -> tuple[Any, str]:
    """The file system of the feed's files, and their path or pattern on it.

    Raises:
        InputError: the URL names a system that is not known or cannot be opened.
    """
    try:
        return url_to_fs(feed.read.files)
    except (ImportError, ValueError, OSError) as error:
        raise InputError(f"{feed.name}: {feed.read.files} cannot be opened: {error}") from None
