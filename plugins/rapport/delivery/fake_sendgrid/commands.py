"""`rapport fake-sendgrid`."""

from pathlib import Path
from typing import Annotated

import typer

from rapport.errors import RapportError


def fake_sendgrid(
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes a free one.")] = 8025,
    log: Annotated[Path, typer.Option(help="Its log: lines of JSON.")] = Path("fake-sendgrid.jsonl"),
    openapi: Annotated[
        Path | None, typer.Option(help="SendGrid's tsg_mail_v3.json, to check requests against.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Let only this API key in; default: any.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same chances.")] = 1,
    fsync: Annotated[bool, typer.Option("--fsync", help="Wait for the disk before each answer.")] = False,
    per_minute: Annotated[int | None, typer.Option(help="Answer 429 to more requests a minute.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="For benchmarks: count mails, check and log little.")
    ] = False,
    end_with_stdin: Annotated[bool, typer.Option("--end-with-stdin", hidden=True)] = False,
) -> None:
    """A SendGrid to rehearse against: checks what it is sent, keeps a log, fails on demand, sends events
    back."""
    from rapport.delivery.fake_sendgrid.fake import Fake, Options
    from rapport.delivery.fake_sendgrid.fast import FastFake
    from rapport.delivery.fake_sendgrid.serving import serve

    options = Options(log, key, openapi, seed, fsync, per_minute=per_minute)
    fake: Fake | FastFake = FastFake(key) if fast else Fake(options)

    def ready(port: int) -> None:
        checks = "SendGrid's document and the rules it misses" if openapi else "its own rules (no --openapi)"
        print(
            f"The fake SendGrid listens on http://127.0.0.1:{port} and checks "
            + ("next to nothing (--fast)" if fast else checks),
            flush=True,
        )

    serve(fake.handle, port, ready, end_with_stdin)


def main() -> None:
    """`python -m rapport.delivery.fake_sendgrid`: the same without the rest of Rapport."""
    try:
        typer.run(fake_sendgrid)
    except RapportError as error:
        raise SystemExit(f"rapport: {error}") from None
