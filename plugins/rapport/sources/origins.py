"""Readings of databases and APIs, as deliveries."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rapport.sources.database_keys import Database
from rapport.sources.feed import Feed

if TYPE_CHECKING:
    from rapport.sources.databases import DatabaseDelivery
    from rapport.sources.rest_apis import RestDelivery


@contextmanager
def reading(feed: Feed, kept: Any) -> "Iterator[DatabaseDelivery | RestDelivery]":
    """What the feed's database or API has that is new since the cursor that the last reading left.

    Raises:
        ConfigurationError: the connection or the configuration leads nowhere.
        SourceUnavailable: nothing answers. SourceRefused: it does not let us in.
        InputError: what it answers cannot be understood.
    """
    if isinstance(feed.origin, Database):
        from rapport.sources.databases import DatabaseDelivery

        yield DatabaseDelivery(feed, feed.origin, kept)
        return
    assert feed.origin is not None
    from rapport.sources.rest_apis import fetched

    with fetched(feed, feed.origin, kept) as delivery:
        yield delivery
