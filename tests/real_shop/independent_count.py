"""What the raw files of the real shop hold, counted without Rapport and without SQL.

`python tests/real_shop/independent_count.py` prints every figure.
"""

from collections.abc import Hashable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby, pairwise

import pandas as pd
from raw_files import read_events, read_order_lines, read_ticket_log
from tied_returns import tied_amounts

AS_OF = pd.Timestamp("2011-12-10T00:00:00Z")
JUNE = pd.Timestamp("2011-06-01T00:00:00Z")
SILENCE = timedelta(minutes=30)
DONE = {"Resolved", "Closed"}
UNNAMED = "-100"

Figures = dict[str, int | Decimal]


def pounds(thousandths: int) -> Decimal:
    """The exact amount in pounds."""
    return Decimal(int(thousandths)).scaleb(-3)


def sales_figures(lines: pd.DataFrame) -> Figures:
    """Orders and money in the order lines."""
    bought, known = lines["quantity"] > 0, lines["customer"] != ""
    times = lines.groupby("order_id")["at"].agg(["nunique", "min", "max"])
    two_times = times[times["nunique"] > 1]
    return {
        "order_lines": len(lines),
        "orders": lines.loc[bought, "order_id"].nunique(),
        "orders_with_customer": lines.loc[bought & known, "order_id"].nunique(),
        "shop_customers": lines.loc[known, "customer"].nunique(),
        "gross": pounds(lines.loc[known & bought, "amount"].sum()),
        "returned": pounds(lines.loc[known & ~bought, "amount"].sum()),
        "net": pounds(lines.loc[known, "amount"].sum()),
        "customers_with_only_returns": len(
            set(lines.loc[known, "customer"]) - set(lines.loc[known & bought, "customer"])
        ),
        "gross_without_customer": pounds(lines.loc[~known & bought, "amount"].sum()),
        "negative_without_customer": pounds(lines.loc[~known & ~bought, "amount"].sum()),
        "orders_with_two_times": len(two_times),
        "seconds_between_two_times": int((two_times["max"] - two_times["min"]).max().total_seconds()),
    }


def customers(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per shop number: order_count, gross, returned, net (pounds), first_order_at, last_order_at."""
    rows = {}
    for number, own in lines[lines["customer"] != ""].groupby("customer"):
        bought = own[own["quantity"] > 0]
        ordered_at = bought.groupby("order_id")["at"].min()
        rows[number] = {
            "order_count": len(ordered_at),
            "gross": pounds(bought["amount"].sum()),
            "returned": pounds(own["amount"].sum() - bought["amount"].sum()),
            "net": pounds(own["amount"].sum()),
            "first_order_at": ordered_at.min(),
            "last_order_at": ordered_at.max(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def standing(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per shop number that bought: scores of 1 to 5 among them, pounds an order, days between orders.

    A score tells by how many fifths of the others somebody exceeds those with less; equal ones score equal.
    """
    buyers = customers(lines).query("order_count > 0")
    frame = pd.DataFrame(index=buyers.index)
    for score, column in ("recency", "last_order_at"), ("frequency", "order_count"), ("monetary", "net"):
        with_less = buyers[column].rank(method="min") - 1
        frame[f"{score}_score"] = (5 * with_less // (len(buyers) - 1) + 1).clip(upper=5).astype(int)
    frame["average_order_value"] = (buyers["gross"] / buyers["order_count"]).astype(float)
    days = (buyers["last_order_at"] - buyers["first_order_at"]) / pd.Timedelta(days=1)
    frame["average_days_between_orders"] = days / (buyers["order_count"] - 1).where(buyers["order_count"] > 1)
    return frame


def orders(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per order with a line of positive quantity: customer, ordered_at, gross, net (pounds)."""
    bought = lines[lines["quantity"] > 0]
    tied = tied_amounts(lines)
    frame = bought.groupby("order_id").agg(
        customer=("customer", "first"), ordered_at=("at", "min"), gross=("amount", "sum")
    )
    frame["net"] = [pounds(gross + tied.get(order_id, 0)) for order_id, gross in frame["gross"].items()]
    frame["gross"] = frame["gross"].map(pounds)
    return frame


def session_count(events: pd.DataFrame) -> int:
    """Visits: a device that was silent for 30 minutes begins a new one."""
    last_seen: dict[str, pd.Timestamp] = {}
    sessions = 0
    for event in events.sort_values("at", kind="stable").itertuples(index=False):
        if event.device not in last_seen or event.at - last_seen[event.device] >= SILENCE:
            sessions += 1
        last_seen[event.device] = event.at
    return sessions


def visits(events: pd.DataFrame) -> Iterator[tuple[str, pd.Timestamp, pd.Timestamp, int]]:
    """Each visit's device, first and last event, and number of events."""
    for device, own in events.groupby("device"):
        times = sorted(own["at"])
        starts = [0, *(place for place in range(1, len(times)) if times[place] - times[place - 1] > SILENCE)]
        for start, end in zip(starts, [*starts[1:], len(times)], strict=True):
            yield device, times[start], times[end - 1], end - start


class People:
    """Union-find over identifiers, each a (kind, value)."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def meet(self, *identifiers: tuple[str, str]) -> None:
        """All of these belong to one person; those with an empty value say nothing."""
        known = [identifier for identifier in identifiers if identifier[1]]
        for identifier in known:
            self._parent[self.person(identifier)] = self.person(known[0])

    def person(self, identifier: Hashable) -> Hashable:
        """The one identifier that stands for all that belong to the same person."""
        root = identifier
        while self._parent.setdefault(root, root) != root:
            root = self._parent[root]
        while identifier != root:
            self._parent[identifier], identifier = root, self._parent[identifier]
        return root

    def persons(self, kinds: Iterable[str]) -> set[Hashable]:
        """Everyone who has an identifier of one of the kinds."""
        wanted = set(kinds)
        return {self.person(identifier) for identifier in list(self._parent) if identifier[0] in wanted}


def people(lines: pd.DataFrame, events: pd.DataFrame, log: pd.DataFrame) -> People:
    """Who is the same person, by every identifier that the three logs show together."""
    found = People()
    for customer, email in lines[["customer", "email"]].drop_duplicates().itertuples(index=False):
        found.meet(("shop", customer), ("email", email))
    for device, email in events[["device", "email"]].drop_duplicates().itertuples(index=False):
        found.meet(("device", device), ("email", email))
    for caller, email in log[["caller", "email"]].drop_duplicates().itertuples(index=False):
        found.meet(("caller", caller), ("email", email))
    return found


def identity_figures(lines: pd.DataFrame, events: pd.DataFrame, log: pd.DataFrame) -> Figures:
    """Customers, and the devices and events of those whom the shop gave a number."""
    found = people(lines, events, log)
    with_number = found.persons(["shop"])
    theirs = events["device"].map(lambda device: found.person(("device", device)) in with_number)
    return {
        "customers": len(found.persons(["shop", "caller", "email"])),
        "customers_with_shop_number": len(with_number),
        "web_events": len(events),
        "devices": events["device"].nunique(),
        "devices_of_shop_customers": events.loc[theirs, "device"].nunique(),
        "events_of_shop_customers": int(theirs.sum()),
        "sessions": session_count(events),
        "sessions_by_the_source": events["source_session"].nunique(),
    }


def ticket_figures(log: pd.DataFrame) -> Figures:
    """Tickets as the log shows them; the caller has cut it at `as_of`, or not at all."""
    newest = log.groupby("ticket").tail(1)
    callers = log.groupby("ticket")["caller"].nunique()
    return {
        "ticket_versions": len(log),
        "tickets": len(newest),
        "open_tickets": int((~newest["state"].isin(DONE)).sum()),
        "reopened_by_counter": len(reopened_by_counter(log)),
        "reopened_by_state": len(reopened_by_state(log)),
        "rows_sharing_ticket_and_time": int(log.duplicated(["ticket", "at"]).sum()),
        "rows_with_hindsight": int((log["resolved_at"] > log["at"]).sum()),
        "tickets_changing_caller": int((callers > 1).sum()),
    }


def reopened_by_counter(log: pd.DataFrame) -> set[str]:
    """Tickets of which the source itself counts a reopening."""
    return set(log.loc[log["reopened"] > 0, "ticket"])


def reopened_by_state(log: pd.DataFrame) -> set[str]:
    """Tickets that were solved or closed in one row and are neither in the next."""
    return set(last_reopenings(log))


def last_reopenings(log: pd.DataFrame) -> dict[str, pd.Timestamp]:
    """By ticket, the time of the last row that is no longer solved or closed, as the row before it was."""
    found: dict[str, pd.Timestamp] = {}
    last_ticket, was_done = None, False
    for row in log.itertuples(index=False):
        is_done = row.state in DONE
        if row.ticket == last_ticket and was_done and not is_done:
            found[row.ticket] = row.at
        last_ticket, was_done = row.ticket, is_done
    return found


def tickets(log: pd.DataFrame) -> pd.DataFrame:
    """One row per ticket: resolution_minutes (null where unknown), reopening_count, hand_over_count."""
    rows: dict[str, dict[str, int | None]] = {}
    for ticket, group in groupby(log.itertuples(index=False), key=lambda row: row.ticket):
        own = list(group)
        newest = own[-1]
        states = [row for row in own if row.state != UNNAMED]
        done = [row.state in DONE for row in states]
        finished = [
            row.at
            for row, (before, now) in zip(states, pairwise([False, *done]), strict=True)
            if now and not before
        ]
        resolved_at = newest.resolved_at if newest.resolved_at <= newest.at else max(finished, default=None)
        minutes = resolved_at and (resolved_at - newest.opened_at).total_seconds() / 60
        names = [_renamed([row.team for row in own]), _renamed([row.assignee for row in own])]
        is_told = any(row.team or row.assignee for row in own)
        rows[ticket] = {
            "resolution_minutes": int(minutes) if newest.state in DONE and minutes >= 0 else None,
            "reopening_count": sum(before and not now for before, now in pairwise(done)),
            "hand_over_count": sum(map(any, zip(*names, strict=True))) if is_told else None,
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype("object")


def backlog(log: pd.DataFrame, midnight: pd.Timestamp) -> int:
    """Tickets opened before midnight whose last update before it, if there is one, has not finished them."""
    newest = log.groupby("ticket").tail(1)
    opened = newest[newest["opened_at"] < midnight]
    named = log[(log["state"] != UNNAMED) & (log["at"] < midnight)]
    last = named.groupby("ticket").tail(1).set_index("ticket")["state"]
    # A state without a name that is the newest means that the ticket is not finished.
    unnamed = newest[(newest["state"] == UNNAMED) & (newest["at"] < midnight)]
    finished = set(last[last.isin(DONE)].index) - set(unnamed["ticket"])
    return len(set(opened["ticket"]) - finished)


def _renamed(names: list[str]) -> list[bool]:
    """For each row, whether its name is another than the last one told."""
    told, renamed = "", []
    for name in names:
        renamed.append(bool(name and told and name != told))
        told = name or told
    return renamed


def unhappy_people(log: pd.DataFrame, found: People, since: pd.Timestamp) -> set[Hashable]:
    """Those whose ticket, by its newest row, was reopened at or after `since`; the log holds no ratings."""
    recent = {ticket for ticket, at in last_reopenings(log).items() if at >= since}
    newest = log.groupby("ticket").tail(1)
    theirs = newest[newest["ticket"].isin(recent)]
    pairs = theirs[["caller", "email"]].itertuples(index=False)
    return {
        found.person(("caller", caller) if caller else ("email", email))
        for caller, email in pairs
        if caller or email
    }


def main() -> None:
    lines, events, log = read_order_lines(AS_OF), read_events(AS_OF), read_ticket_log()
    visible = log[log["at"] < AS_OF]
    sections = {
        "sales": sales_figures(lines),
        "identity": identity_figures(lines, events, visible),
        "tickets, the whole log": ticket_figures(log),
        f"tickets at {AS_OF:%Y-%m-%d}": ticket_figures(visible),
        f"tickets at {JUNE:%Y-%m-%d}": ticket_figures(log[log["at"] < JUNE]),
    }
    for title, figures in sections.items():
        print(title)
        for name, value in figures.items():
            print(f"    {name:32}{value:>18,}")
    by_state, by_counter = reopened_by_state(log), reopened_by_counter(log)
    print("reopened by state and not by counter:", *sorted(by_state - by_counter))
    print("reopened by counter and not by state:", *sorted(by_counter - by_state))
    print("reopened only after the as_of:", *sorted(by_counter - reopened_by_counter(visible)))


if __name__ == "__main__":
    main()
