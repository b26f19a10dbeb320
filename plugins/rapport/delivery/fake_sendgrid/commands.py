"""`rapport fake-sendgrid`."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from rapport.errors import ConfigurationError, RapportError
from rapport.settings import Settings

if TYPE_CHECKING:
    from rapport.delivery.fake_sendgrid.behaviour import Behaviour
    from rapport.delivery.fake_sendgrid.disorder import Disorder

Kind = TypeVar("Kind", "Behaviour", "Disorder")


def fake_sendgrid(
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes a free one.")] = 8025,
    log: Annotated[
        Path | None, typer.Option(help="Its log; default: fake-sendgrid.jsonl under $RAPPORT_HOME.")
    ] = None,
    openapi: Annotated[
        Path | None, typer.Option(help="SendGrid's tsg_mail_v3.json, to check requests against.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Let only this API key in; default: any.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same chances.")] = 1,
    fsync: Annotated[bool, typer.Option("--fsync", help="Wait for the disk before each answer.")] = False,
    per_minute: Annotated[int | None, typer.Option(help="Answer 429 to more requests a minute.")] = None,
    signing_key: Annotated[
        Path | None, typer.Option(help="The file of the key that signs events; default: beside the log.")
    ] = None,
    events_to: Annotated[
        str | None, typer.Option(help="Send events by themselves to this webhook, .../hooks/sendgrid.")
    ] = None,
    behaviour: Annotated[
        str, typer.Option(help="How recipients behave, e.g. bounced=0.02,clicked=0.1,machine_clicked=0.05.")
    ] = "",
    disorder: Annotated[
        str, typer.Option(help="What befalls events, e.g. copied=0.4,shuffled=1,delayed=30.")
    ] = "",
    fast: Annotated[
        bool, typer.Option("--fast", help="For benchmarks: count mails, check and log little.")
    ] = False,
    end_with_stdin: Annotated[bool, typer.Option("--end-with-stdin", hidden=True)] = False,
) -> None:
    """A SendGrid to rehearse against: checks what it is sent, keeps a log, fails on demand, sends events
    back."""
    from rapport.delivery.fake_sendgrid.behaviour import Behaviour
    from rapport.delivery.fake_sendgrid.disorder import Disorder
    from rapport.delivery.fake_sendgrid.event_desk import Rehearsal
    from rapport.delivery.fake_sendgrid.fake import Fake, Options
    from rapport.delivery.fake_sendgrid.fast import FastFake
    from rapport.delivery.fake_sendgrid.serving import serve

    file = log if log is not None else Settings.from_environment().home / "fake-sendgrid.jsonl"
    rehearsal = None
    if events_to is not None:
        rehearsal = Rehearsal(events_to, _numbers(Behaviour, behaviour), _numbers(Disorder, disorder))
    options = Options(file, key, openapi, seed, fsync, True, per_minute, signing_key, rehearsal)
    fake: Fake | FastFake = FastFake(key) if fast else Fake(options)

    def ready(port: int) -> None:
        checks = "SendGrid's document and the rules it misses" if openapi else "its own rules (no --openapi)"
        print(
            f"The fake SendGrid listens on http://127.0.0.1:{port} and checks "
            + ("next to nothing (--fast)" if fast else checks),
            flush=True,
        )
        if isinstance(fake, Fake) and not end_with_stdin:
            print(
                f"Its log is {file}. Its events are proven by\nRAPPORT_WEBHOOK_KEYS={fake.public_key}",
                flush=True,
            )

    serve(fake.handle, port, ready, end_with_stdin)


def _numbers(kind: type[Kind], text: str) -> Kind:
    """A record of numbers from text like `bounced=0.02,clicked=0.1`; what is not named keeps its default."""
    names = [each.name for each in fields(kind)]
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name.strip() not in names:
            raise ConfigurationError(f"{name.strip()} is not known; there are {', '.join(names)}")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise ConfigurationError(f"{part} is not like {names[0]}=0.02") from None
    return kind(**found)


def main() -> None:
    """`python -m rapport.delivery.fake_sendgrid`: the same without the rest of Rapport."""
    try:
        typer.run(fake_sendgrid)
    except RapportError as error:
        raise SystemExit(f"rapport: {error}") from None
