"""`rapport campaign` and `rapport vouchers`: what a marketer does with campaigns in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport import terminal
from rapport.clock import parse_moment
from rapport.decided_by import By, who
from rapport.errors import ConfigurationError, InputError
from rapport.settings import Settings

if TYPE_CHECKING:
    import psycopg

    from rapport.campaigns.campaign import Campaign

campaign_app = typer.Typer(help="What is sent to whom: config/campaigns/.", no_args_is_help=True)
vouchers_app = typer.Typer(help="Codes that campaigns give away.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The campaign: its file's name without .yml.")]
OneOrAll = Annotated[str | None, typer.Argument(help="The campaign; none: all of them.")]
Edition = Annotated[str, typer.Argument(help="The edition, as `rapport campaign status` names it.")]
Comment = Annotated[str | None, typer.Option("--comment", help="Why; kept with the decision.")]
StepName = Annotated[str, typer.Option("--step", help="Of a journey: the mail.")]
VariantName = Annotated[str, typer.Option("--variant", help="Of several variants: which.")]
Customer = Annotated[
    str | None, typer.Option("--customer", help="A customer_id or an e-mail address; none: the edge cases.")
]


@campaign_app.command()
def check(
    config: Annotated[Path | None, typer.Option(help="Use this folder instead of config/.")] = None,
) -> None:
    """Check every campaign and template against what the warehouse holds now."""
    from rapport.campaigns.configuration import read_campaigns
    from rapport.campaigns.fields import Fields

    with _warehouse(config) as (connection, settings):
        campaigns = read_campaigns(settings, Fields.of(connection))
    for campaign in campaigns.good:
        print(f"{campaign.name}: right")
    campaigns.raise_problems()


@campaign_app.command()
def preview(
    name: Name,
    customer: Customer = None,
    step: StepName = "",
    variant: VariantName = "",
    out: Annotated[
        Path | None, typer.Option(help="Where the pages go; default: previews/ in $RAPPORT_HOME.")
    ] = None,
) -> None:
    """Render a campaign's mails for a customer, or for the edge cases; prints the text, writes the pages."""
    from rapport.campaigns.preview import previews
    from rapport.delivery.configuration import read_sender

    with _warehouse() as (connection, settings):
        campaign = _campaign(connection, settings, name)
        mail = _mail(campaign, step, variant) if step or variant else None
        found = previews(connection, campaign, read_sender(settings), customer=customer, mail=mail)
    folder = out or settings.home / "previews"
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(found, 1):
        which = " ".join(part for part in (one.step, one.variant, one.label) if part)
        print(f"{'' if number == 1 else chr(10)}--- {which}")
        if one.rendered is None:
            print(f"Does not render: {one.fault}")
            continue
        page = folder / f"{name}-{number}.html"
        page.write_text(one.rendered.html, encoding="utf-8")
        print(f"Subject: {one.rendered.subject}\nPage:    {page}\n\n{one.rendered.text.rstrip()}")


@campaign_app.command()
def plan(
    name: OneOrAll = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="For this moment, past or to come, e.g. 2026-07-07T08:00:00Z; default: now."),
    ] = None,
    people: Annotated[int, typer.Option(min=0, help="How many people of each reason are named.")] = 3,
) -> None:
    """Say who would get what and when, who not and why, and change nothing."""
    from rapport import warehouse
    from rapport.campaigns.dry_run import dry_run
    from rapport.campaigns.printing import print_plan

    with _warehouse() as (_, settings):
        if name is not None:
            _known(settings, name)
        moment = parse_moment(as_of) if as_of else datetime.now(UTC)
        editions = dry_run(warehouse.ensure(settings), settings, moment, name, people=people)
    out = terminal.console()
    out.print(f"As of {moment:%Y-%m-%d %H:%M} UTC. Nothing is written or sent.\n")
    for edition in editions:
        print_plan(edition, out)
    if not editions:
        out.print("No campaign is due and nobody has newly entered a segment that triggers one.")


@campaign_app.command("test-send")
def send_a_test(
    name: Name,
    to: Annotated[str, typer.Option("--to", help="Your own address.")],
    customer: Customer = None,
    step: StepName = "",
    variant: VariantName = "",
    by: By = None,
) -> None:
    """Send a campaign's mails to yourself, as a customer would get them. They count nowhere."""
    from rapport.campaigns.trial import send_trial

    with _warehouse() as (connection, settings):
        campaign = _campaign(connection, settings, name)
        mail = _mail(campaign, step, variant) if step or variant else None
        trials = send_trial(connection, settings, campaign, to=to, by=who(by), customer=customer, mail=mail)
    for trial in trials:
        which = " ".join(part for part in (name, trial.step, trial.variant) if part)
        print(f"{which}: {trial.outcome} ({trial.transport})")


@campaign_app.command()
def status(name: OneOrAll = None) -> None:
    """List the editions, newest first: how far each is, and who got nothing for which reason."""
    from rapport.campaigns.overview import editions, open_pauses
    from rapport.campaigns.printing import print_editions

    with _warehouse() as (connection, _):
        pauses = open_pauses(connection)
        rows = editions(connection, name)
    for pause in pauses:
        what = pause.campaign or "everything"
        print(f"Paused: {what}, by {pause.paused_by}{f' ({pause.reason})' if pause.reason else ''}")
    if not rows:
        print("No edition was planned yet; `rapport run` plans what is due.")
        return
    print_editions(rows, terminal.console())


@campaign_app.command("results")
def show_results(
    name: Annotated[str, typer.Argument(help="The campaign; '*': all together, against the holdout of all.")],
) -> None:
    """Show what became of a campaign's mails, and what it changed against those who were held out."""
    from rapport.campaigns.results import results
    from rapport.campaigns.results_printing import print_results

    with _warehouse() as (connection, _):
        found = results(connection, name, datetime.now(UTC))
    print_results(found, terminal.console())


@campaign_app.command()
def approve(edition: Edition, by: By = None, comment: Comment = None) -> None:
    """Let an edition that awaits approval be sent as it is planned now."""
    from rapport.campaigns import decisions
    from rapport.campaigns.overview import find_edition

    with _warehouse() as (connection, _):
        planned = find_edition(connection, edition)
        decisions.approve(
            connection, edition, planned.edition_hash, by=who(by), through="command", comment=comment
        )
    print(f"{edition} is approved; mails to send when they are due: {planned.planned:,}")


@campaign_app.command("send-again")
def send_again(edition: Edition, by: By = None) -> None:
    """Send once more what nobody knows the fate of; who got it already gets it twice."""
    from rapport.delivery import again

    with _warehouse() as (connection, _):
        count = again.send_again(connection, edition, by=who(by))
    print(f"{edition}: mails that are planned once more: {count:,}")


@campaign_app.command()
def release(edition: Edition) -> None:
    """Let an edition of a restored warehouse be approved: you have seen what was sent since the backup."""
    from rapport.delivery import restored

    with _warehouse() as (connection, _):
        restored.release(connection, edition)
    print(f"{edition} awaits approval.")


@campaign_app.command()
def cancel(edition: Edition, by: By = None, comment: Comment = None) -> None:
    """Cancel an edition; what is not sent yet never will be."""
    from rapport.campaigns import decisions

    with _warehouse() as (connection, _):
        count = decisions.reject(connection, edition, by=who(by), through="command", comment=comment)
    print(f"{edition} is cancelled; mails that are not sent: {count:,}")


@campaign_app.command()
def pause(
    name: OneOrAll = None,
    everything: Annotated[bool, typer.Option("--all", help="All campaigns.")] = False,
    reason: Annotated[str | None, typer.Option("--reason")] = None,
    by: By = None,
) -> None:
    """Stop a campaign, or all of them, at once."""
    from rapport.campaigns import decisions

    _one_of(name, everything)
    with _warehouse() as (connection, settings):
        if name is not None:
            _known(settings, name)
        paused = decisions.pause(connection, name, by=who(by), reason=reason)
    print(f"{name or 'Everything'} {'is' if paused else 'was already'} paused.")


@campaign_app.command()
def resume(
    name: OneOrAll = None,
    everything: Annotated[bool, typer.Option("--all", help="All campaigns.")] = False,
    by: By = None,
) -> None:
    """End a pause."""
    from rapport.campaigns import decisions

    _one_of(name, everything)
    with _warehouse() as (connection, _):
        resumed = decisions.resume(connection, name, by=who(by))
    print(f"{name or 'Everything'} {'goes on' if resumed else 'was not paused'}.")


@vouchers_app.command("import")
def import_vouchers(
    pool: Annotated[str, typer.Argument(help="The pool's name, as campaigns say it in `voucher`.")],
    file: Annotated[Path, typer.Argument(help="A text file with one code a line.")],
) -> None:
    """Add codes to a pool; codes that it has already are left alone."""
    from rapport.campaigns import vouchers

    codes = vouchers.read_codes(file)
    with _warehouse() as (connection, _):
        imported = vouchers.import_codes(connection, pool, codes)
    print(f"{pool}: {imported.added:,} codes added, {imported.known:,} known already")


@vouchers_app.command("list")
def list_vouchers() -> None:
    """Show how many codes each pool has left."""
    from rapport.campaigns import vouchers

    with _warehouse() as (connection, _):
        pools = vouchers.pools(connection)
    for pool in pools:
        print(f"{pool.pool}: {pool.free:,} free, {pool.taken:,} taken")
    if not pools:
        print("There is no pool; `rapport vouchers import POOL FILE` makes one.")


@contextmanager
def _warehouse(config: Path | None = None) -> "Iterator[tuple[psycopg.Connection, Settings]]":
    from rapport import warehouse

    settings = Settings.from_environment()
    if config is not None:
        settings = replace(settings, config=config)
    url = warehouse.ensure(settings)
    warehouse.migrate(url)
    with warehouse.connect(url) as connection:
        yield connection, settings


def _campaign(connection: "psycopg.Connection", settings: Settings, name: str) -> "Campaign":
    from rapport.campaigns.configuration import read_campaigns
    from rapport.campaigns.fields import Fields

    _known(settings, name)
    campaigns = read_campaigns(settings, Fields.of(connection))
    for problem in campaigns.problems:
        if problem.campaign == name:
            raise ConfigurationError("; ".join(problem.sentences))
    return next(campaign for campaign in campaigns.good if campaign.name == name)


def _known(settings: Settings, name: str) -> None:
    from rapport.campaigns.files import nearest

    names = sorted(path.stem for path in (settings.config / "campaigns").glob("*.yml"))
    if name not in names:
        raise InputError(f"there is no campaign {name}{nearest(name, names)}")


def _mail(campaign: "Campaign", step: str, variant: str) -> tuple[str, str]:
    from rapport.campaigns.files import nearest

    if (step, variant) not in campaign.contents:
        names = [name for mail in campaign.contents for name in mail if name]
        raise InputError(f"{campaign.name} has no mail {step or variant}{nearest(step or variant, names)}")
    return step, variant


def _one_of(name: str | None, everything: bool) -> None:
    if everything == (name is not None):
        raise InputError("name a campaign, or say --all")
