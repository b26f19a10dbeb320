"""The service desk of a generated shop, counted from its files: no SQL, and states walked one by one."""

import json
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

DONE = {"solved", "closed"}
STATES = {
    "New": "new",
    "Active": "open",
    "Awaiting customer": "pending",
    "Resolved": "solved",
    "Closed": "closed",
}
WEEK = pd.Timedelta(days=7)
MINUTE = pd.Timedelta(minutes=1)


@dataclass
class Office:
    """Monday to Friday, 9 to 17 by the clock of Berlin, but for the holidays: one truth value a minute."""

    first: pd.Timestamp
    is_open: np.ndarray

    @classmethod
    def of(cls, first: pd.Timestamp, last: pd.Timestamp, holidays: set[date]) -> "Office":
        minutes = pd.date_range(first, last, freq="min")
        local = minutes.tz_convert("Europe/Berlin")
        is_open = (local.day_of_week < 5) & (local.hour >= 9) & (local.hour < 17)
        return cls(first, is_open & ~np.isin(local.date, list(holidays)))

    def minutes(self, began: pd.Timestamp, ended: pd.Timestamp) -> float:
        """Open minutes of [began, ended): whole minutes, and the open parts of the two at the ends."""
        from_start, to_end = (began - self.first) / MINUTE, (ended - self.first) / MINUTE
        first, last = int(from_start), int(to_end)
        count = float(self.is_open[first:last].sum())
        return count - (from_start - first) * self.is_open[first] + (to_end - last) * self.is_open[last]


@dataclass
class Ticket:
    """What the files tell of a ticket. Periods in which it was open have an end of None while it is."""

    ticket_id: str
    group: tuple[str, str | None]
    priority: str
    opened_at: pd.Timestamp
    is_open: bool
    replies: list[pd.Timestamp] = field(default_factory=list)
    first_replied_at: pd.Timestamp | None = None
    resolved_at: pd.Timestamp | None = None
    reopenings: int = 0
    hand_overs: int | None = None
    score: float | None = None
    waits: dict[str, float] = field(default_factory=lambda: {"agent": 0.0, "customer": 0.0})
    business_waits: dict[str, float] = field(default_factory=lambda: {"agent": 0.0, "customer": 0.0})
    periods: list[tuple[pd.Timestamp, pd.Timestamp | None]] = field(default_factory=list)


def read_versions(landing: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    """Good versions before `as_of`, each ticket's in their order."""
    path = landing / "ticket_versions" / "ticket_versions.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = rows[(rows["ident"] != "?") & rows["reopened"].str.fullmatch(r"\d+")]
    for column in ("opened", "changed", "first_reply", "solved"):
        rows[column] = (
            pd.to_datetime(rows[column], format="%d/%m/%Y %H:%M:%S", errors="coerce")
            .dt.tz_localize("Europe/Berlin")
            .dt.tz_convert("UTC")
        )
    rows = rows[rows["opened"].notna() & rows["changed"].notna() & (rows["changed"] < as_of)]
    rows["version"] = rows["version"].astype(int)
    return rows.sort_values(["ident", "changed", "version"], kind="stable")


def read_events(landing: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    """Good events before `as_of`, each ticket's in their order."""
    path = landing / "ticket_events" / "ticket_events.jsonl"
    rows = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    kinds = ["status", "comment", "assignment", "rating"]
    rows = rows[rows["what"].isin(kinds) & rows["ticket"].notna()]
    rows["at"] = pd.to_datetime(rows["at"], format="%Y-%m-%dT%H:%M:%SZ", errors="coerce", utc=True)
    rows = rows[rows["at"].notna() & (rows["at"] < as_of)]
    return rows.sort_values(["ticket", "at", "number"], kind="stable")


def tickets(landing: Path, as_of: pd.Timestamp, office: Office) -> dict[str, Ticket]:
    """Every ticket as it was known at `as_of`, waits counted up to it."""
    events = dict(list(read_events(landing, as_of).groupby("ticket")))
    found = {}
    for ident, versions in read_versions(landing, as_of).groupby("ident"):
        newest = versions.iloc[-1]
        ticket = Ticket(
            ident,
            (newest["channel"], newest["category"]),
            newest["priority"],
            newest["opened"],
            STATES[newest["state"]] not in DONE,
        )
        if newest["stars"] != "?":
            ticket.score = float(newest["stars"])
        agents = [agent for agent in versions["agent"] if agent != "?"]
        if agents:
            ticket.hand_overs = sum(a != b for a, b in pairwise(agents))
        if newest["first_reply"] <= newest["changed"]:
            ticket.first_replied_at = newest["first_reply"]
        own = events.get(ident)
        _walk(ticket, own, as_of, office) if own is not None else None
        if not ticket.is_open:
            known = newest["solved"] <= newest["changed"]
            ticket.resolved_at = newest["solved"] if known else ticket.periods[-1][1]
        found[ident] = ticket
    return found


def _walk(ticket: Ticket, events: pd.DataFrame, as_of: pd.Timestamp, office: Office) -> None:
    """Go through the events, adding up who waits in each state until the next."""
    state, since, opened = "new", ticket.opened_at, ticket.opened_at
    for event in events.itertuples():
        if event.what == "comment" and event.by == "agent" and event.public:
            ticket.replies.append(event.at)
            ticket.first_replied_at = ticket.first_replied_at or event.at
        if event.what == "rating" and ticket.score is None:
            ticket.score = float(event.stars)
        if event.what != "status" or event.status == state:
            continue
        _wait(ticket, state, since, event.at, office)
        if state not in DONE and event.status in DONE:
            ticket.periods.append((opened, event.at))
        elif state in DONE and event.status not in DONE:
            ticket.reopenings += 1
            opened = event.at
        state, since = event.status, event.at
    if state not in DONE:
        ticket.periods.append((opened, None))
        _wait(ticket, state, since, as_of, office)


def _wait(ticket: Ticket, state: str, began: pd.Timestamp, ended: pd.Timestamp, office: Office) -> None:
    who = {"new": "agent", "open": "agent", "on_hold": "agent", "pending": "customer"}.get(state)
    if who:
        ticket.waits[who] += (ended - began) / MINUTE
        ticket.business_waits[who] += office.minutes(began, ended)
