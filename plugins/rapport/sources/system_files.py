"""One file for a system with several feeds: what stands beside `feeds` holds for each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FEEDS = "feeds"


@dataclass(frozen=True)
class FeedKeys:
    """The keys of one feed, as a file of its own would have them, and what it is called.

    `own` is what stands under the feed alone; `part` is its name there, None where the file is one feed.
    """

    name: str
    keys: dict[str, Any]
    own: dict[str, Any]
    part: str | None = None

    def place(self, key: str) -> str:
        """Where in the file a key such as `read.rest.cursor` stands."""
        if self.part is None or (_has(self.keys, key) and not _has(self.own, key)):
            return key
        return f"{FEEDS}.{self.part}.{key}"


def feeds_of(name: str, given: dict[str, Any]) -> Iterator[FeedKeys]:
    """The feeds of a source file called `name`: itself, or `<name>_<part>` for each part of `feeds`.

    A feed's keys are laid over those of the file, at every depth; a list replaces a list.
    """
    if FEEDS not in given:
        yield FeedKeys(name, given, given)
        return
    shared = {"source": name, **{key: value for key, value in given.items() if key != FEEDS}}
    for part, own in given[FEEDS].items():
        own = own if isinstance(own, dict) else {}
        yield FeedKeys(f"{name}_{part}", _laid_over(shared, own), own, part)


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {
            **below,
            **{key: _laid_over(below[key], value) if key in below else value for key, value in above.items()},
        }
    return above


def _has(keys: Any, path: str) -> bool:
    for step in path.split("."):
        if not isinstance(keys, dict) or step not in keys:
            return False
        keys = keys[step]
    return True
