"""The command line: `rapport --help`."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from rapport import terminal
from rapport.audiences.commands import erase, suppressions_app
from rapport.audiences.segment_commands import segments_app
from rapport.campaigns.commands import campaign_app, vouchers_app
from rapport.clock import parse_moment
from rapport.delivery.commands import delivery_app
from rapport.delivery.fake_sendgrid.commands import fake_sendgrid
from rapport.errors import ConfigurationError, RapportError
from rapport.identity.commands import identity_app
from rapport.landing.commands import chosen_feeds, held_app, rejected_app
from rapport.settings import PROJECT, Settings

app = typer.Typer(
    help="One trustworthy view of every customer, and e-mails that reach exactly the right people.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
warehouse_app = typer.Typer(help="The database that everything is in.", no_args_is_help=True)
sources_app = typer.Typer(help="Where data comes from: config/sources/.", no_args_is_help=True)
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(sources_app, name="sources")
app.add_typer(campaign_app, name="campaign")
app.add_typer(vouchers_app, name="vouchers")
app.add_typer(delivery_app, name="delivery")
app.add_typer(held_app, name="held")
app.add_typer(rejected_app, name="rejected")
app.add_typer(identity_app, name="identity")
app.add_typer(suppressions_app, name="suppressions")
app.add_typer(segments_app, name="segments")

AsOf = Annotated[
    str | None,
    typer.Option(help="Run as if it were this moment, e.g. 2026-07-01T06:00:00Z. Default: now."),
]
Config = Annotated[Path | None, typer.Option(help="Use this folder instead of config/ or $RAPPORT_CONFIG.")]


def main() -> None:
    """Run the command line; expected errors end in one sentence and exit code 2."""
    # Without a bytecode cache every start of Airflow takes twice as long.
    sys.dont_write_bytecode = False
    try:
        app()
    except RapportError as error:
        print(f"rapport: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def run(
    as_of: AsOf = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build everything anew; needed to go back in time.")
    ] = False,
    repeat: Annotated[
        int | None,
        typer.Option(help="Build everything as this earlier run saw it, whatever was loaded since."),
    ] = None,
    config: Config = None,
) -> None:
    """Run the whole pipeline once: load, build the customer view, plan campaigns, send what is due."""
    settings = _settings(config)
    if repeat is None:
        moment = parse_moment(as_of) if as_of else datetime.now(UTC).replace(microsecond=0)
        _run(settings, moment, rebuild)
        return
    from rapport import ledger, warehouse

    if as_of:
        raise typer.BadParameter("--repeat takes the time of the run that it repeats; leave --as-of out")
    with warehouse.connect(warehouse.ensure(settings)) as connection:
        recorded = ledger.run(connection, repeat)
    if recorded.max_batch_id is None:
        raise ConfigurationError(f"run {repeat} ended before it built a view; there is nothing to repeat")
    _run(settings, recorded.as_of, True, recorded.max_batch_id)


@app.command()
def demo(
    customers: Annotated[int, typer.Option(help="How many customers the generated shop has.")] = 2000,
) -> None:
    """Generate a shop and run the whole pipeline on it. Safe to repeat: nothing is sent twice."""
    from rapport import report, warehouse
    from rapport.demo import shop

    settings = _settings(PROJECT / "config")
    out = terminal.console()
    out.print(
        f"Generating a shop with {customers:,} customers in {settings.home / 'landing'}", soft_wrap=True
    )
    shop.write_shop(settings.home / "landing", customers=customers, end=shop.END)
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    last = report.last_run(url)
    _run(settings, shop.END, rebuild=last is not None and last.as_of > shop.END)
    out.print(
        "\nNext:\n"
        "  .venv/bin/rapport status                  this page again\n"
        '  psql "$(.venv/bin/rapport warehouse url)"   the tables: marts.customers, segments.members, …\n'
        "  make up                                   Airflow with the same DAGs on a schedule\n"
        "  README.md                                 add a source, a segment, a campaign",
        soft_wrap=True,
    )


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False, config: Config = None
) -> None:
    """Show what the last run did."""
    from rapport import report, warehouse
    from rapport.delivery.proof import delivery_notices

    settings = _settings(config)
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    last = report.last_run(url)
    if as_json:
        print(json.dumps(last.as_json() if last is not None else None, indent=2))
    elif last is None:
        print("There was no run yet. `rapport run` runs the pipeline, `make demo` on a generated shop.")
    else:
        terminal.summary(last, mailbox=settings.mailbox, out=terminal.console())
        for notice in delivery_notices(url, settings, datetime.now(UTC)):
            print(notice)


@warehouse_app.command("url")
def warehouse_url() -> None:
    """Print the warehouse's URL, password included; starts the embedded server if it is not running."""
    from rapport import warehouse

    print(warehouse.ensure(_settings()))


@app.command()
def migrate() -> None:
    """Bring the tables that dbt does not own to this version. Every run does it, too."""
    from rapport import warehouse

    settings = _settings()
    url = warehouse.ensure(settings)
    has_roles = warehouse.migrate(url)
    print(f"{warehouse.without_password(url)} is up to date")
    if has_roles and settings.public_database_url:
        from rapport.public.login import ensure_login

        ensure_login(url, settings.public_database_url)
    if not has_roles:
        print(
            "The roles for readers and marketers are missing, because this user may not make roles. Run "
            "`rapport migrate` once as a user with createrole, or go on without them."
        )


@sources_app.command("check")
def sources_check(config: Config = None) -> None:
    """Check every source file without reading any data."""
    from rapport.sources.configuration import read_feeds

    settings = _settings(config)
    feeds = read_feeds(settings)
    for feed in feeds:
        print(f"{feed.name}: {feed.source} fills {feed.stream} ({feed.mode})")
    print(f"{len(feeds)} feeds in {settings.config / 'sources'} are right")


@app.command()
def reload(
    source: Annotated[str, typer.Argument(help="The name of a file in config/sources/.")],
) -> None:
    """Let a source be read again from its beginning at the next run, e.g. after its mapping was mended."""
    from rapport import warehouse
    from rapport.landing import load

    settings = _settings()
    chosen = chosen_feeds(settings, source)
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    for feed in chosen:
        print(load.reload(url, feed))


@app.command()
def tidy() -> None:
    """Remove kept files, rejected rows and months of visits that are older than config/landing.yml says."""
    from rapport import steps, warehouse

    warehouse.migrate(warehouse.ensure(_settings()))
    print(steps.tidy("tidy", None, datetime.now(UTC)))


@app.command("demo-data")
def demo_data(
    folder: Annotated[
        Path | None, typer.Option(help="Where to; default: landing/ under $RAPPORT_HOME.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 1,
    customers: Annotated[int, typer.Option(help="How many customers the shop has.")] = 2000,
    end: Annotated[
        str | None, typer.Option(help="The shop's last moment; default 2026-07-01T06:00:00Z.")
    ] = None,
) -> None:
    """Write a generated shop's feeds, and the truth about its customers beside them."""
    from rapport.demo import shop

    target = folder or _settings().home / "landing"
    truth = shop.write_shop(
        target, seed=seed, customers=customers, end=parse_moment(end) if end else shop.END
    )
    print(f"{sum(truth.rows.values()):,} rows in {len(truth.rows)} feeds under {target}")


@app.command()
def up() -> None:
    """Start Airflow's services on the warehouse; `rapport down` stops them."""
    from rapport import services, warehouse

    settings = _settings()
    warehouse.migrate(warehouse.ensure(settings))
    print(services.up(settings))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8090,
    proxies: Annotated[
        str, typer.Option(help="Addresses of proxies whose X-Forwarded-For is believed, comma separated.")
    ] = "127.0.0.1",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    config: Config = None,
) -> None:
    """Serve what the internet may reach: SendGrid's webhook and the unsubscribe links."""
    from rapport.public.serve import serve as run_server

    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("it is debug, info, warning or error", param_hint="--log-level")
    run_server(_settings(config), host=host, port=port, proxies=proxies, log_level=log_level)


@app.command()
def down() -> None:
    """Stop Airflow's services and the embedded PostgreSQL server."""
    from rapport import services

    services.down(_settings())


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def dbt(context: typer.Context) -> None:
    """Run a dbt command as of the last run, e.g. `rapport dbt build --target dev --select +customers`."""
    from rapport import dbt as runner
    from rapport import ledger, warehouse

    settings = _settings()
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    with warehouse.connect(url) as connection:
        last = ledger.newest_run(connection)
    if not runner.command(settings, url, last, context.args):
        raise typer.Exit(1)


def _run(settings: Settings, as_of: datetime, rebuild: bool, max_batch_id: int | None = None) -> None:
    from rapport import main_job, report, warehouse

    with _terminal() as stream:
        out = terminal.console(stream)
        out.print(f"Running as of {as_of:%Y-%m-%d %H:%M} UTC")
        ended = main_job.run(
            settings,
            as_of=as_of,
            rebuild=rebuild,
            watcher=terminal.Progress(out),
            max_batch_id=max_batch_id,
        )
        last = report.last_run(warehouse.ensure(settings))
        assert last is not None
        terminal.summary(last, mailbox=settings.mailbox, out=out)
    if ended.state != "succeeded":
        log = settings.home / "logs" / f"run-{ended.run_id}.log"
        print(f"The run failed; the whole log is in {log}", file=sys.stderr)
        raise typer.Exit(1)


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """Standard output under a number of its own, open while what a run prints goes to its log."""
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8") as stream:
        yield stream


def _settings(config: Path | None = None) -> Settings:
    if config is not None:
        # The steps read the environment, as they do under a scheduler.
        os.environ["RAPPORT_CONFIG"] = str(config)
    return Settings.from_environment()


app.command()(erase)
app.command("fake-sendgrid")(fake_sendgrid)
