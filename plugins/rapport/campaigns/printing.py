"""Campaigns in the terminal: editions and plans as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

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


def counted(reasons: Mapping[str, int]) -> str:
    """`no consent 12, frequency cap 3`, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in ordered)


def _details(row: EditionRow) -> list[Text]:
    doubtful = {state: row.messages[state] for state in ("uncertain", "unknown") if row.messages.get(state)}
    return [Text(counted(doubtful), style="yellow"), Text(counted(row.skipped))]
