"""From everybody an edition considered to those who bought: each who fell away on the way, and why.

Before sending, planning's own counts are shown. Once a run has seen the edition done, the run's counts are;
in between, the messages are counted as they are now, and clicks and orders come from the last run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from rapport.campaigns.overview import EditionRow, find_edition
from rapport.web.pages.campaigns.editions import Edition, is_counted
from rapport.web.pages.campaigns.wording import GOALS, REASONS

# What may have become something else since a run counted it.
UNSETTLED = ("waiting_count", "uncertain_count", "unknown_count")
UNSENT = ("planned", "held", "awaiting_approval", "approved", "cancelled")


@dataclass(frozen=True)
class Bar:
    """A line of the funnel. `start` and `width` are shares of all candidates.

    `stage`: who is still there; `skip`: who gets nothing; `held_out`; `loss`: what went wrong; `open`: what
    is not known yet.
    """

    kind: Literal["stage", "skip", "held_out", "loss", "open"]
    label: str
    count: int
    start: float
    width: float
    of_stage: float | None
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """What became of an edition's candidates."""

    skipped: Mapping[str, int]
    planned: int
    waiting: int = 0
    expired: int = 0
    cancelled: int = 0
    rejected: int = 0
    uncertain: int = 0
    unknown: int = 0
    sent: int | None = None
    delivered: int | None = None
    failed: int = 0
    clicked: int | None = None
    converted: int | None = None
    is_live: bool = False


def counts(connection: psycopg.Connection, edition: Edition) -> Counts:
    """Count an edition's candidates, in the cheapest way that is right for its state."""
    if edition.state in UNSENT and edition.plan is not None:
        skipped: dict[str, int] = dict(edition.plan["counts"])
        late = skipped.pop("too_late", 0)
        planned = edition.plan["planned"]
        waits = edition.state != "cancelled"
        return Counts(
            skipped,
            planned + late,
            waiting=planned if waits else 0,
            expired=late,
            cancelled=0 if waits else planned,
        )
    ran = _as_a_run_counted(connection, edition.edition_id)
    if ran is not None and ran["edition_state"] in ("done", "cancelled") and not any(map(ran.get, UNSETTLED)):
        return _counted(ran)
    return _live(find_edition(connection, edition.edition_id), ran)


def funnel(counted: Counts, goal: str | None) -> list[Bar]:
    """The lines of the funnel, candidates first; what is not known is no line."""
    candidates = counted.planned + sum(counted.skipped.values())
    drawing = _Drawing(candidates)
    drawing.stage("Candidates", candidates)
    for reason, number in sorted(counted.skipped.items(), key=lambda item: (-item[1], item[0])):
        kind: Literal["skip", "held_out"] = "held_out" if reason.endswith("holdout") else "skip"
        drawing.drop(kind, REASONS.get(reason, reason.replace("_", " ").capitalize()), number)
    drawing.stage("Planned mails", counted.planned)
    drawing.drop("loss", "Too late", counted.expired)
    drawing.drop("loss", "Cancelled", counted.cancelled)
    drawing.drop("loss", "Refused by the provider", counted.rejected)
    drawing.drop("loss", "Unknown whether sent", counted.unknown)
    drawing.drop("open", "Answer outstanding", counted.uncertain)
    drawing.drop("open", "Not sent yet", counted.waiting)
    if counted.sent is None:
        return drawing.bars
    drawing.stage("Sent", counted.sent)
    delivered = counted.delivered or 0
    drawing.drop("loss", "Bounced or dropped", min(counted.failed, counted.sent - delivered))
    drawing.drop("open", "No word of delivery yet", max(0, counted.sent - delivered - counted.failed))
    drawing.stage("Delivered", delivered)
    if counted.clicked is not None:
        drawing.stage("Clicked by a person", counted.clicked, "machines that open links are left out")
    if counted.converted is not None:
        label = GOALS[goal or "order"]
        drawing.stage(label, counted.converted, "of those sent; many would have anyway", of=counted.sent)
    return drawing.bars


class _Drawing:
    def __init__(self, candidates: int) -> None:
        self.bars: list[Bar] = []
        self._all = max(candidates, 1)
        self._stage = candidates
        self._left = candidates

    def stage(self, label: str, count: int, note: str = "", of: int | None = None) -> None:
        before = self._stage if of is None else of
        of_stage = count / before if self.bars and before else None
        self.bars.append(Bar("stage", label, count, 0.0, count / self._all, of_stage, note))
        self._stage = self._left = count

    def drop(self, kind: Literal["skip", "held_out", "loss", "open"], label: str, count: int) -> None:
        if count <= 0:
            return
        self._left = max(0, self._left - count)
        of_stage = count / self._stage if self._stage else None
        self.bars.append(Bar(kind, label, count, self._left / self._all, count / self._all, of_stage))


def _as_a_run_counted(connection: psycopg.Connection, edition_id: str) -> dict[str, Any] | None:
    """The sums over an edition's rows of marts.campaign_performance; None where no run has counted it."""
    if not is_counted(connection):
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select * from marts.campaign_performance where edition_id = %s", [edition_id]
        ).fetchall()
    if not rows:
        return None
    sums: dict[str, Any] = {
        column: sum(row[column] for row in rows) for column in rows[0] if column.endswith("_count")
    }
    return {**sums, "edition_state": rows[0]["edition_state"]}


def _counted(ran: Mapping[str, Any]) -> Counts:
    skipped = {
        column.removeprefix("skipped_").removesuffix("_count"): number
        for column, number in ran.items()
        if column.startswith("skipped_") and column != "skipped_count" and number
    }
    return Counts(
        skipped,
        ran["planned_count"],
        waiting=ran["waiting_count"],
        expired=ran["expired_count"],
        cancelled=ran["cancelled_count"],
        rejected=ran["rejected_count"],
        uncertain=ran["uncertain_count"],
        unknown=ran["unknown_count"],
        sent=ran["accepted_count"],
        delivered=ran["delivered_count"],
        failed=ran["bounced_count"] + ran["dropped_count"],
        clicked=ran["clicked_count"],
        converted=ran["converted_count"],
    )


def _live(row: EditionRow, ran: Mapping[str, Any] | None) -> Counts:
    states, delivery = row.messages, row.delivery
    return Counts(
        row.skipped,
        sum(number for state, number in states.items() if state != "skipped"),
        waiting=states.get("planned", 0) + states.get("sending", 0),
        expired=states.get("expired", 0),
        cancelled=states.get("cancelled", 0),
        rejected=states.get("rejected", 0),
        uncertain=states.get("uncertain", 0),
        unknown=states.get("unknown", 0),
        sent=states.get("accepted", 0),
        # Who complained had it delivered before.
        delivered=delivery.get("delivered", 0) + delivery.get("complained", 0),
        failed=delivery.get("bounced", 0) + delivery.get("dropped", 0),
        clicked=ran["clicked_count"] if ran else None,
        converted=ran["converted_count"] if ran else None,
        is_live=True,
    )
