"""Work done ahead: while one item is used, a thread makes the next."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def one_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The same items in the same order. What making one raises is raised where that one is asked for.

    Reading and mapping leave Python's lock to Arrow for most of their time, and COPY leaves it to the server.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        try:
            yield _taken(thread, items)
        finally:
            if isinstance(items, Generator):
                thread.submit(items.close)  # files are closed where they were read


def _taken(thread: ThreadPoolExecutor, items: Iterator[Item]) -> Iterator[Item]:
    end = object()
    following = thread.submit(next, items, end)
    while (item := following.result()) is not end:
        following = thread.submit(next, items, end)
        yield item  # type: ignore[misc]
