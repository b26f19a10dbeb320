"""The commands about what did not come in: `rapport held …`, `rapport rejected …`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.errors import ConfigurationError, InputError
from rapport.settings import Settings

if TYPE_CHECKING:
    from rapport.landing.held import HeldBatch
    from rapport.landing.quarantine import RejectedReason
    from rapport.sources.feed import Feed

held_app = typer.Typer(help="Batches that were held instead of loaded.", invoke_without_command=True)
rejected_app = typer.Typer(help="Rows that could not be loaded.", invoke_without_command=True)

FeedName = Annotated[str, typer.Argument(metavar="FEED", help="The name of a file in config/sources/.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@held_app.callback()
def held(context: typer.Context, as_json: AsJson = False) -> None:
    """List the batches that wait for a decision, each with what to do about it."""
    if context.invoked_subcommand is not None:
        return
    from rapport import warehouse
    from rapport.landing.held import held_batches

    with warehouse.connect(_warehouse(Settings.from_environment())) as connection:
        found = held_batches(connection)
    if as_json:
        print(json.dumps([asdict(batch) for batch in found], indent=2, default=str))
    elif not found:
        print("No batch is held.")
    for batch in () if as_json else found:
        state = "accepted, the next run loads it" if batch.accepted_at else "held"
        print(f"{batch.feed}: {state} since {batch.held_at:%Y-%m-%d %H:%M} UTC\n  {batch.reason}.")


@held_app.command("accept")
def accept(feed: FeedName) -> None:
    """Let the next run load what is held of a feed, as it is."""
    from rapport.landing import held

    for batch in _decided(feed, held.accept):
        print(f"{batch.file}: the next run loads its {batch.rows_held:,} rows as they are")


@held_app.command("drop")
def drop(feed: FeedName) -> None:
    """Leave what is held of a feed out for good."""
    from rapport.landing import held

    for batch in _decided(feed, held.drop):
        print(f"{batch.file}: its {batch.rows_held:,} rows stay out")


@rejected_app.callback()
def rejected(
    context: typer.Context,
    feed: Annotated[
        str | None, typer.Option("--feed", "--source", help="Of this feed or source only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List rejected rows by reason, with how many there are and a sample of each."""
    if context.invoked_subcommand is not None:
        return
    from rapport import warehouse
    from rapport.landing.quarantine import rejected_reasons

    settings = Settings.from_environment()
    if feed is not None:
        chosen_feeds(settings, feed)
    with warehouse.connect(_warehouse(settings)) as connection:
        found = rejected_reasons(connection, feed)
    if as_json:
        print(json.dumps([asdict(reason) for reason in found], indent=2))
        return
    if not found:
        print("No row is rejected.")
    for reason in found:
        print(f"{reason.feed}: {_rows(reason.rows)}: {reason.reason}\n  {_sample(reason)}")
    if found:
        print("`rapport rejected retry FEED` loads what passes once the mapping is mended.")


@rejected_app.command("retry")
def retry(
    feed: Annotated[
        str | None, typer.Argument(metavar="[FEED]", help="A feed or source; default: every feed.")
    ] = None,
) -> None:
    """Load rejected rows again, under the mapping as it is now; files are not needed."""
    from rapport.landing.retry import retry_rejected
    from rapport.sources.configuration import read_feeds

    settings = Settings.from_environment()
    url = _warehouse(settings)
    mistakes: list[str] = []
    for chosen in chosen_feeds(settings, feed) if feed is not None else read_feeds(settings):
        try:
            counts = retry_rejected(url, chosen)
        except InputError as error:
            mistakes.append(str(error))
            continue
        if counts.rows_read:
            print(
                f"{chosen.name}: of {_rows(counts.rows_read)} {counts.rows_loaded:,} are loaded now, "
                f"{counts.rows_duplicate:,} were there already, {counts.rows_rejected:,} are rejected again"
            )
        elif feed is not None:
            print(f"{chosen.name}: no rejected row of it can be tried again")
    if mistakes:
        raise InputError("\n".join(mistakes))


def chosen_feeds(settings: Settings, name: str) -> list["Feed"]:
    """The feed of this name, or the feeds of the source of this name.

    Raises:
        ConfigurationError: there is none; the message names the nearest.
    """
    from difflib import get_close_matches

    from rapport.sources.configuration import read_feeds

    feeds = {feed.name: feed for feed in read_feeds(settings)}
    chosen = [feed for feed in feeds.values() if name in (feed.name, feed.source)]
    if not chosen:
        near = get_close_matches(name, feeds, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(feeds) or 'none'}"
        raise ConfigurationError(f"no source is called {name}; {hint}")
    return chosen


def _decided(feed: str, decide: Any) -> list["HeldBatch"]:
    from rapport import warehouse
    from rapport.landing.held import held_batches

    with warehouse.connect(_warehouse(Settings.from_environment())) as connection:
        decided: list[HeldBatch] = decide(connection, feed)
        if not decided:
            others = sorted({batch.feed for batch in held_batches(connection)})
            hint = f"held are batches of {', '.join(others)}" if others else "no batch is held"
            raise ConfigurationError(f"nothing of {feed} is held; {hint}")
    return decided


def _warehouse(settings: Settings) -> str:
    from rapport import warehouse

    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    return url


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _sample(reason: "RejectedReason") -> str:
    shown = f": {reason.value}" if reason.value is not None else ""
    place = f"line {reason.line}" if reason.page is None else f"page {reason.page}, record {reason.line}"
    return f"such as {reason.file}, {place}{shown}"
