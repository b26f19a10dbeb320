"""The commands about what leaves this machine: `rapport delivery …`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rapport.errors import ConfigurationError
from rapport.settings import Settings

delivery_app = typer.Typer(help="How mails leave: SendGrid, the live domain.", no_args_is_help=True)
probe_app = typer.Typer(
    help="Three real mails in one request, to see whether they arrive as they should.",
    invoke_without_command=True,
)
delivery_app.add_typer(probe_app, name="probe")

To = Annotated[
    list[str] | None,
    typer.Option(help="An address of yours; give three, of different mailboxes, by giving it three times."),
]
Sources = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="The raw sources of the three mails (.eml).")
]


@probe_app.callback()
def probe(context: typer.Context, to: To = None) -> None:
    """Send the three mails; then save their raw sources and hand them to `rapport delivery probe check`."""
    if context.invoked_subcommand is not None:
        return
    if not to:
        raise ConfigurationError("name an address of yours: rapport delivery probe --to you@shop.example")
    from rapport import warehouse
    from rapport.delivery.configuration import read_delivery, read_sender
    from rapport.delivery.probe import send_probe

    settings = Settings.from_environment()
    with warehouse.connect(_warehouse(settings), autocommit=True) as connection:
        sent = send_probe(
            connection, settings, read_delivery(settings), read_sender(settings), to, datetime.now(UTC)
        )
    print(f"Probe {sent.probe_id.hex[:8]} was sent to {', '.join(sent.addresses)}.")
    if sent.warning:
        print(f"{sent.warning}.")
    print(
        "Save the raw source of each of the three mails (`Show original`, `View source`), then run\n"
        "  rapport delivery probe check 1.eml 2.eml 3.eml"
    )


@probe_app.command("check")
def check(files: Sources) -> None:
    """Compare what arrived with what was sent; without a fault batching is proven for 90 days."""
    from rapport import warehouse
    from rapport.delivery.probe_check import check_probe

    with warehouse.connect(_warehouse(Settings.from_environment()), autocommit=True) as connection:
        checked = check_probe(connection, files, datetime.now(UTC))
    if checked.valid_until is not None:
        print(
            f"Probe {checked.probe}: all three mails arrived as they should. Batching is proven until "
            f"{checked.valid_until:%Y-%m-%d}; set sendgrid.render: shape in config/delivery.yml to use it."
        )
        return
    print(f"Probe {checked.probe} proves nothing; each mail stays a request of its own:")
    for fault in checked.faults:
        print(f"  {fault}")
    raise typer.Exit(1)


@delivery_app.command("doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check the live domain: SPF, DKIM, DMARC, alignment, answers, unsubscribe host, keys, pulls, proof."""
    import json
    from dataclasses import asdict

    from rapport import terminal, warehouse
    from rapport.delivery.configuration import read_delivery, read_sender
    from rapport.delivery.doctor import diagnose

    settings = Settings.from_environment()
    with warehouse.connect(_warehouse(settings), autocommit=True) as connection:
        findings = diagnose(
            connection, settings, read_delivery(settings), read_sender(settings), datetime.now(UTC)
        )
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        rows = terminal.table("Check", last="found")
        for finding in findings:
            state = {True: "ok", False: "MEND", None: "open"}[finding.is_ok]
            words = "\n".join(filter(None, (finding.detail, finding.advice and f"→ {finding.advice}")))
            rows.add_row(f"{state:<5} {finding.name}", words)
        terminal.console().print(rows)
    if any(finding.is_ok is False for finding in findings):
        raise typer.Exit(1)


def _warehouse(settings: Settings) -> str:
    from rapport import warehouse

    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    return url
