"""`rapport segments …`: the segments that were made in the pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.errors import ConfigurationError
from rapport.settings import Settings

if TYPE_CHECKING:
    import psycopg

segments_app = typer.Typer(help="Segments that were made in the pages.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The segment's name.")]


@segments_app.command("list")
def list_segments() -> None:
    """Each segment with its newest version, its size after the last run and whether it is held."""
    from rapport.audiences import stored_definitions

    with _warehouse() as connection:
        builds = stored_definitions.builds(connection)
        found = stored_definitions.newest(connection)
    for stored in found:
        build = builds.get(stored.name)
        state = (
            "retired"
            if stored.retired_at
            else "not built yet"
            if build is None
            else f"{build.members:,} members"
        )
        print(f"{stored.name}, version {stored.version}: {state}")
        if build is not None and build.held_because is not None and not stored.retired_at:
            print(f"  held: {build.held_because}")
    if not found:
        print("No segment was made in the pages yet.")


@segments_app.command("show")
def show_segment(name: Name) -> None:
    """A segment's versions in words, and the newest as JSON."""
    from rapport.audiences import stored_definitions
    from rapport.audiences.definition import Definition, read_definition
    from rapport.audiences.definition_words import in_words

    with _warehouse() as connection:
        versions = stored_definitions.versions(connection, name)
    if not versions:
        raise ConfigurationError(f"no segment {name} was made in the pages; `rapport segments list` has them")
    for stored in versions:
        read = read_definition(stored.definition)
        words = in_words(read) if isinstance(read, Definition) else "conditions that cannot be read"
        comment = f" ({stored.comment})" if stored.comment else ""
        print(f"{stored.version}, {stored.created_at:%Y-%m-%d}, {stored.created_by}{comment}: {words}")
    print(json.dumps(versions[0].definition, indent=2, ensure_ascii=False))


@segments_app.command("retire")
def retire_segment(name: Name) -> None:
    """Have a segment built no more; the next run takes everybody out of it."""
    from rapport.audiences import stored_definitions

    with _warehouse() as connection:
        if not stored_definitions.retire(connection, name):
            raise ConfigurationError(
                f"no segment {name} that was made in the pages is in use; `rapport segments list` has them"
            )
    print(f"{name} is retired: the next run takes everybody out of it.")


@contextmanager
def _warehouse() -> Iterator["psycopg.Connection"]:
    from rapport import warehouse

    url = warehouse.ensure(Settings.from_environment())
    warehouse.migrate(url)
    with warehouse.connect(url) as connection:
        yield connection
