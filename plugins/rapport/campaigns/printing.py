"""Campaigns in the terminal: editions and plans as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rapport.campaigns.dry_run import DryEdition, DryMessage
from rapport.campaigns.findings import Detectable
from rapport.campaigns.overview import EditionRow
from rapport.terminal import table

_COLOURS = {"held": "red", "paused": "yellow", "awaiting_approval": "yellow", "done": "green"}
_SENT = ("accepted", "uncertain", "unknown")


def print_editions(rows: Sequence[EditionRow], out: Console) -> None:
    """A line an edition; below it why it stands still, and who got nothing for which reason."""
    lines = table("Edition", "to send", "sent", "delivered", "skipped", last="state, and why")
    for row in rows:
        state = Text(row.state.replace("_", " "), style=_COLOURS.get(row.state, ""))
        lines.add_row(
            row.edition_id,
            f"{row.planned:,}",
            f"{sum(row.messages.get(state, 0) for state in _SENT):,}",
            f"{row.delivery.get('delivered', 0):,}" if row.delivery else "",
            f"{sum(row.skipped.values()):,}",
            Text("; ").join(filter(None, [state, Text(row.state_reason or ""), *_details(row)])),
        )
    out.print(lines)


def print_plan(edition: DryEdition, out: Console) -> None:
    """A dry run's edition: how many, why not the others, the difference, what it could show, some people."""
    found = edition.findings
    out.print(Text(edition.edition_id, style="bold"))
    out.print(f"  {found.planned:,} of {found.considered:,} would get it{_when(edition)}{_standing(edition)}")
    if found.counts:
        out.print(f"  The others get nothing: {counted(found.counts)}", soft_wrap=True)
    if edition.hold is not None:
        out.print(Text(f"  It would be held: {edition.hold}", style="red"), soft_wrap=True)
    if found.difference is not None:
        last = found.difference
        out.print(
            f"  Against {last.edition_id} ({last.planned:,}): "
            f"{last.entered:,} are new, {last.left:,} are gone",
            soft_wrap=True,
        )
    if found.detectable is not None:
        out.print(f"  {_effect(found.detectable)}", soft_wrap=True)
    for check in found.checks:
        if not check.get("is_ok"):
            out.print(Text(f"  {check['name']}: {check['detail']}", style="yellow"), soft_wrap=True)
    if edition.people:
        out.print(_people(edition.people))
    for sentence in edition.unknown:
        out.print(Text(f"  {sentence}", style="yellow"), soft_wrap=True)
    out.print()


def _when(edition: DryEdition) -> str:
    first, last = edition.first_due_at, edition.last_due_at
    if first is None or last is None:
        return ""
    if first == last:
        return f" at {first:%Y-%m-%d %H:%M} UTC"
    return f" from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, each in their own hours"


def _standing(edition: DryEdition) -> str:
    if edition.state is not None:
        return f"; an edition of this name is {edition.state.replace('_', ' ')} already"
    return ", after somebody has approved it" if edition.needs_approval else ""


def _effect(detectable: Detectable) -> str:
    of = f"{detectable.treatment:,} with the mail against {detectable.holdout:,} without"
    if detectable.base_rate is None or detectable.relative is None:
        return f"{of}: no rise of the goal ({detectable.goal}) could be told from chance"
    return (
        f"{of}: a rise of {detectable.relative:.0%} or more could be told from chance at 80 % power "
        f"({detectable.goal} within {detectable.days:g} days, {detectable.base_rate:.1%} without the mail)"
    )


def _people(people: Sequence[DryMessage]) -> Table:
    lines = table("  Customer", last="what they get")
    for one in people:
        got = f"{one.due_at:%Y-%m-%d %H:%M} UTC" if one.state == "planned" else one.state_reason or one.state
        variant = f", variant {one.variant}" if one.variant and one.state == "planned" else ""
        lines.add_row(f"  {one.customer_id}", f"{got.replace('_', ' ')}{variant}")
    return lines


def counted(reasons: Mapping[str, int]) -> str:
    """`no consent 12, frequency cap 3`, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in ordered)


def _details(row: EditionRow) -> list[Text]:
    doubtful = {state: row.messages[state] for state in ("uncertain", "unknown") if row.messages.get(state)}
    return [Text(counted(doubtful), style="yellow"), Text(counted(row.skipped))]
