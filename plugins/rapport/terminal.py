"""What people see in the terminal: progress while a run works, and its summary."""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rapport.landing.freshness import Freshness, FreshnessState
from rapport.landing.progress import LOG_SECONDS, LoadProgress
from rapport.ledger import StepRecord
from rapport.report import Campaign, Report, Step, in_words

# What each step is called in front of people.
STEP_NAMES = {
    "build_staging": "Cleaning and checking what came in",
    "resolve_identity": "Finding out who is the same person",
    "build_marts": "Building the customer view",
    "build_segments": "Building the segments",
    "record_memberships": "Noting who entered and left each segment",
    "plan_campaigns": "Planning campaigns",
    "send_due": "Sending what is due",
    "pull_suppressions": "Taking over SendGrid's opt-outs",
    "tidy": "Removing what is old",
}


COLUMNS_NAMED = 8


def console(stream: object = None) -> Console:
    """A console that writes plain lines, at a fixed width, where there is no terminal."""
    out = Console(file=stream or sys.stdout, highlight=False)  # type: ignore[arg-type]
    return out if out.is_terminal else Console(file=out.file, highlight=False, width=110, no_color=True)


class Progress:
    """One line a step, printed when the step has ended, so that it reads the same in a log.

    A long load says meanwhile how far it is, on a terminal in a line that changes.
    """

    def __init__(self, out: Console) -> None:
        self.out = out
        self.began = 0.0
        self.changing: Live | None = None

    def load_progress(self) -> LoadProgress:
        """What says how far the load is that begins now."""
        if self.out.is_terminal:
            return LoadProgress(self._change)
        return LoadProgress(lambda line: self.out.print(f"           {line}"), LOG_SECONDS, LOG_SECONDS)

    def _change(self, line: str) -> None:
        if self.changing is None:
            self.changing = Live(console=self.out, auto_refresh=False, transient=True)
            self.changing.start()
        self.changing.update(Text(f"           {line}", no_wrap=True, overflow="ellipsis"), refresh=True)

    def __call__(self, dag: str, step: str, record: StepRecord | None) -> None:
        if record is None:
            self.began = time.monotonic()
            return
        if self.changing is not None:
            self.changing.stop()
            self.changing = None
        seconds = f"{time.monotonic() - self.began:5.1f} s"
        self.out.print(f"  {seconds}  {STEP_NAMES.get(step, f'Loading {step}')}{self._outcome(record)}")

    @staticmethod
    def _outcome(record: StepRecord) -> str:
        if record.rows_read is not None:
            new = f"{record.rows_loaded or 0:,} new rows" if record.rows_read else "nothing new"
            rejected = f", {record.rows_rejected:,} rejected" if record.rows_rejected else ""
            return f": {new}{rejected}"
        return ""


def summary(report: Report, *, mailbox: Path, out: Console) -> None:
    """The whole run on one page."""
    out.print()
    out.print(headline(report))
    out.print(in_words(report), soft_wrap=True)
    for step in report.steps:
        if step.state == "failed":
            out.print(Padding(Text(f"{step.dag}.{step.step}: {step.message}", style="red"), (0, 0, 0, 2)))
    out.print()
    loads = [step for step in report.steps if step.rows_read is not None]
    if loads:
        out.print(_loads(loads, report))
        out.print()
    _intake(report, out)
    _checks(report, out)
    if report.segments:
        out.print(_segments(report))
        out.print()
    if report.campaigns:
        out.print(_campaigns(report.campaigns))
        out.print()
        _sent_before(report.campaigns, out)
    mails = sum(1 for _ in (mailbox / "new").iterdir()) if (mailbox / "new").is_dir() else 0
    if mails:
        out.print(
            f"Mailbox: {mails:,} e-mails in {mailbox} (a Maildir; any mail program can open it)",
            soft_wrap=True,
        )


def headline(report: Report) -> Text:
    """The run in one line."""
    styles = {"succeeded": "green", "failed": "red", "interrupted": "red"}
    seconds = ""
    if report.ended_at is not None:
        seconds = f" in {(report.ended_at - report.started_at).total_seconds():.0f} s"
    elif report.state == "running":
        began = datetime.now(UTC) - report.started_at
        seconds = f", started {began.total_seconds() / 60:.0f} min ago"
    line = Text(f"Run {report.run_id} as of {report.as_of:%Y-%m-%d %H:%M} UTC: ")
    return line.append(report.state, style=styles.get(report.state, "")).append(seconds)


def table(title: str, *numbers: str, last: str | None = None) -> Table:
    """A table of the house: a name, numbers, and a last column of words."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    made.add_column(title, min_width=24, overflow="fold")
    for number in numbers:
        made.add_column(number, justify="right")
    if last is not None:
        made.add_column(last)
    return made


def _loads(loads: list[Step], report: Report) -> Table:
    rows = table("Came in", "read", "loaded", "duplicates", "rejected", last="newest record")
    ages = {fresh.feed: _age(fresh, report.as_of) for fresh in report.intake.freshness}
    for step in loads:
        counts = (step.rows_read, step.rows_loaded, step.rows_duplicate, step.rows_rejected)
        rows.add_row(step.step, *(f"{count or 0:,}" for count in counts), ages.get(step.step, Text("")))
    return rows


def _age(fresh: Freshness, as_of: datetime) -> Text:
    """How old the feed's newest record was, and the limit it is past."""
    if fresh.newest_record_at is None:
        age = "none yet"
    else:
        hours = (as_of - fresh.newest_record_at).total_seconds() / 3600
        age = f"{hours:,.0f} h old" if hours < 96 else f"{hours / 24:,.0f} days old"
    if fresh.state is FreshnessState.ERROR and fresh.error_after is not None:
        return Text(f"{age}: stale, the limit is {_duration(fresh.error_after)}", style="red")
    if fresh.state is FreshnessState.WARN and fresh.warn_after is not None:
        return Text(f"{age}: late, expected within {_duration(fresh.warn_after)}", style="yellow")
    return Text(age)


def _duration(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours:g} h" if hours < 96 else f"{hours / 24:g} days"


def _intake(report: Report, out: Console) -> None:
    """What came with the sources that somebody should look at."""
    lines = [
        Text(f"{batch.feed}: {batch.rows_held:,} rows are held, see `rapport held`", style="red")
        for batch in report.intake.held
    ]
    by_feed: dict[str, list[str]] = {}
    for column in report.intake.new_columns:
        by_feed.setdefault(column.feed, []).append(column.column)
    for feed, columns in by_feed.items():
        named = ", ".join(columns[:COLUMNS_NAMED])
        more = f" and {len(columns) - COLUMNS_NAMED:,} more" if len(columns) > COLUMNS_NAMED else ""
        noun = "a new column" if len(columns) == 1 else f"{len(columns):,} new columns"
        lines.append(Text(f"{feed}: {noun} in the source, kept in payload: {named}{more}", style="yellow"))
    for gone in report.intake.vanished:
        what = "1 file that was" if gone.files == 1 else f"{gone.files:,} files that were"
        verb, their = ("is", "its") if gone.files == 1 else ("are", "their")
        which = f"({'first: ' if gone.files > 1 else ''}{gone.first})"
        said = f"{gone.feed}: {what} loaded before {verb} gone {which}; {their} rows stay"
        lines.append(Text(said, style="yellow"))
    waiting = sum(report.intake.rejected_rows.values())
    if waiting:
        lines.append(Text(f"{waiting:,} rejected rows wait; `rapport rejected` says why"))
    for line in lines:
        out.print(line, soft_wrap=True)
    if lines:
        out.print()


def _checks(report: Report, out: Console) -> None:
    if report.customers is not None:
        out.print(f"{report.customers:,} customers")
    if report.to_review or report.proposed_merges:
        out.print(
            f"{report.to_review:,} shared identifiers and {report.proposed_merges:,} proposed merges wait; "
            "`rapport identity review`"
        )
    if report.tests:
        passed = report.tests.get("pass", 0)
        failed = len(report.failed_tests)
        names = f": {', '.join(report.failed_tests)}" if failed else ""
        out.print(f"{passed:,} checks of the data passed, {failed:,} failed{names}")
    out.print()


def _segments(report: Report) -> Table:
    rows = table("Segment", "customers")
    for name, size in report.segments.items():
        rows.add_row(name, f"{size:,}")
    return rows


def _campaigns(campaigns: list[Campaign]) -> Table:
    rows = table("Campaign", "planned", "sent", "held", "skipped", last="why")
    for campaign in campaigns:
        reasons = [f"{reason.replace('_', ' ')} {count:,}" for reason, count in campaign.skipped.items()]
        if campaign.held_because:
            reasons.insert(0, f"held: {campaign.held_because}")
        rows.add_row(
            campaign.campaign,
            f"{campaign.planned:,}",
            f"{campaign.sent:,}",
            f"{campaign.held:,}",
            f"{sum(campaign.skipped.values()):,}",
            ", ".join(reasons),
        )
    return rows


def _sent_before(campaigns: list[Campaign], out: Console) -> None:
    before = sum(campaign.sent_before for campaign in campaigns)
    if before and not sum(campaign.sent for campaign in campaigns):
        out.print(
            f"Nothing was sent twice: {before:,} e-mails had gone out in earlier runs, none went out now."
        )
        out.print()
