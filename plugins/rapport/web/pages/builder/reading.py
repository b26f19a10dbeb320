"""What the builder's pages show: drafts checked and counted, segments with their versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from rapport import ledger, warehouse
from rapport.audiences import stored_definitions
from rapport.audiences.behaviours import BEHAVIOURS
from rapport.audiences.customer_columns import Catalogue, mistakes_in, read_catalogue
from rapport.audiences.definition import Definition, Mistake, read_definition
from rapport.audiences.definition_words import in_words
from rapport.audiences.stored_definitions import Build, Stored
from rapport.settings import Settings
from rapport.web.database import people
from rapport.web.pages.builder import draft
from rapport.web.visitors import Visitor


class View(NamedTuple):
    """The customer view that segments are made of now, and what can be asked of it."""

    as_of: datetime
    catalogue: Catalogue


@dataclass(frozen=True)
class Checked:
    """A draft with what it means, or what is wrong with it, by the place of the condition."""

    box: draft.Box
    definition: Definition | None
    mistakes: dict[draft.Place, list[str]]

    @property
    def words(self) -> str:
        return in_words(self.definition) if self.definition is not None else ""


@dataclass(frozen=True)
class Segment:
    """A line of the list, or of a segment's history."""

    stored: Stored
    words: str
    build: Build | None


# The newest view of a warehouse, by its URL: what can be asked is the same until the next run.
_views: dict[str, tuple[int, View]] = {}


def read_view(settings: Settings, who: Visitor) -> View | None:
    """None before the first run."""
    url = warehouse.ensure(settings)
    with warehouse.connect(url) as connection:
        run = ledger.newest_view(connection)
    if run is None:
        return None
    known = _views.get(url)
    if known is None or known[0] != run.run_id:
        with people(settings, who) as connection:
            known = _views[url] = run.run_id, View(run.as_of, read_catalogue(connection))
    return known[1]


def check(box: draft.Box, catalogue: Catalogue) -> Checked:
    """What a draft means; its mistakes are told of where their condition is."""
    mistakes: dict[draft.Place, list[str]] = {}
    for place in draft.places(box):
        kind, _, name = _row_at(box, place).what.partition(":")
        if not name:
            mistakes[place] = ["choose what to ask about"]
        elif name not in (BEHAVIOURS if kind == "did" else catalogue.columns):
            mistakes[place] = [f"{name} is gone from the customer view; choose something else"]
    unknown = tuple(mistakes)
    read = read_definition(draft.content_of(box, catalogue))
    found: Sequence[Mistake] = read if isinstance(read, list) else mistakes_in(read, catalogue)
    for mistake in found:
        said = mistakes.setdefault(mistake.place, [])
        if mistake.place not in unknown and mistake.sentence not in said:
            said.append(mistake.sentence)
    return Checked(box, read if isinstance(read, Definition) and not mistakes else None, mistakes)


def _row_at(box: draft.Box, place: draft.Place) -> draft.Row:
    found: draft.Row | draft.Box = box
    for number in place:
        assert isinstance(found, draft.Box)
        found = found.parts[number]
    assert isinstance(found, draft.Row)
    return found


def segments(connection: psycopg.Connection) -> list[Segment]:
    """The newest version of each segment, with its last build; those in use first."""
    builds = stored_definitions.builds(connection)
    newest = sorted(
        stored_definitions.newest(connection), key=lambda one: (one.retired_at is not None, one.name)
    )
    return [Segment(one, _words(one), builds.get(one.name)) for one in newest]


def history(connection: psycopg.Connection, name: str) -> list[Segment]:
    """All versions of a segment, the newest first; the build is with the version that was built."""
    build = stored_definitions.builds(connection).get(name)
    return [
        Segment(one, _words(one), build if build is not None and build.version == one.version else None)
        for one in stored_definitions.versions(connection, name)
    ]


def _words(stored: Stored) -> str:
    definition = read_definition(stored.definition)
    return in_words(definition) if isinstance(definition, Definition) else "conditions that cannot be read"
