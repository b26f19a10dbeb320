"""`rapport suppressions …` and `rapport erase`: who gets no more mail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.errors import ConfigurationError
from rapport.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from rapport.audiences.recipients import RecipientKey

suppressions_app = typer.Typer(help="Addresses that get no more mail.", no_args_is_help=True)


@suppressions_app.command("list")
def list_suppressions(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Count the suppressed addresses by topic and reason; no address is shown."""
    from rapport.audiences.suppressions import first_pull_done, suppression_counts

    with _warehouse() as (connection, _, _):
        counts = suppression_counts(connection)
        is_pulled = first_pull_done(connection)
    if as_json:
        found = [{"topic": topic, "reason": reason, "recipients": number} for topic, reason, number in counts]
        print(json.dumps({"suppressions": found, "pulled_from_sendgrid": is_pulled}, indent=2))
        return
    for topic, reason, number in counts:
        print(f"{number:>10,}  {topic}: {reason}")
    if not counts:
        print("Nobody is suppressed.")
    if not is_pulled:
        print("SendGrid's lists were not taken over yet: `rapport suppressions pull`.")


@suppressions_app.command("import")
def import_suppressions(
    file: Annotated[
        Path, typer.Argument(help="A CSV file with the column address, and if you like topic, time, reason.")
    ],
) -> None:
    """Take over the opt-outs of the tool that sent mails before. Safe to repeat."""
    from rapport.audiences.opt_outs import import_opt_outs

    with _warehouse() as (connection, key, _):
        done = import_opt_outs(connection, key, file, datetime.now(UTC))
    print(f"{done.rows:,} rows read, {done.added:,} suppressions added, {len(done.wrong):,} rows left out")
    for wrong in done.wrong:
        print(wrong)
    if done.wrong:
        raise typer.Exit(1)


@suppressions_app.command("pull")
def pull_suppressions() -> None:
    """Take over what SendGrid's suppression lists gained since the last pull."""
    from rapport.delivery.suppression_lists import pull_from_sendgrid

    with _warehouse() as (connection, key, settings):
        for pulled in pull_from_sendgrid(connection, key, settings, datetime.now(UTC)):
            print(f"{pulled.list}: {pulled.entries:,} entries, {pulled.added:,} of them new")


def erase(
    address: Annotated[str, typer.Argument(help="The e-mail address of the person.")],
) -> None:
    """Forget an address; it stays suppressed. Says what has to be done elsewhere."""
    from rapport.audiences import erasure

    if "@" not in address:
        raise ConfigurationError("that is no e-mail address; give the one that is to be erased")
    with _warehouse() as (connection, key, settings):
        erased = erasure.erase(connection, key, address, datetime.now(UTC), settings.mailbox)
    known = "was erased" if erased.was_known else "was not among the recipients; it gets no mail from now on"
    print(f"The address {known}.")
    print(
        f"{erased.cancelled:,} planned messages cancelled, {erased.events:,} events stripped, "
        f"{erased.mails:,} local mails and {erased.bodies:,} unreadable webhooks removed."
    )
    print("Rapport cannot erase it here:")
    for place in erasure.ELSEWHERE:
        print(f"- {place}")


@contextmanager
def _warehouse() -> Iterator[tuple["psycopg.Connection", "RecipientKey", Settings]]:
    from rapport import warehouse
    from rapport.audiences.recipients import RecipientKey

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    with warehouse.connect(url, autocommit=True) as connection:
        yield connection, RecipientKey.from_settings(settings), settings
