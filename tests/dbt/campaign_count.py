"""What campaigns' messages came to, counted with pandas from the tables that the models read last."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import psycopg
from campaign_rows import CAMPAIGNS, SCANNER

DAY = pd.Timedelta(days=1)
LENGTHS = {"m": "min", "h": "h", "d": "D", "w": "W"}


def length(text: str) -> pd.Timedelta:
    return pd.Timedelta(int(text[:-1]), unit=LENGTHS[text[-1]])  # type: ignore[arg-type]


def goal(campaign: str) -> dict[str, Any]:
    named = CAMPAIGNS[campaign]["goal"] or {"event": "order", "within": "14d", "return_period": "14d"}
    return {
        "event": named["event"],
        "within": length(named["within"]),
        "return_period": length(named["return_period"]),
    }


class Shop:
    """A warehouse's tables as frames. `as_of` cuts what the view may know of messages and events."""

    def __init__(self, connection: psycopg.Connection, as_of: pd.Timestamp) -> None:
        self.connection = connection
        self.as_of = as_of
        merges = dict(
            connection.execute("select old_customer_id, customer_id from identity.merges").fetchall()
        )
        self.editions = self.read("select * from activation.editions")
        self.editions = self.editions[self.editions.slot_at < as_of]
        self.messages = self.read("select * from activation.messages")
        self.messages = self.messages[self.messages.edition_id.isin(self.editions.edition_id)]
        self.messages["person"] = self.messages.customer_id.map(lambda one: merges.get(one, one))
        self.messages["day"] = self.messages.due_at.dt.date
        late = (self.messages.state == "accepted") & ~(self.messages.accepted_at < as_of)
        self.messages.loc[late, "state"] = "sending"
        self.events = self.read("select * from activation.message_events")
        self.events = self.events[self.events.occurred_at < as_of]
        self.counts = self.read("select * from activation.edition_counts")
        self.arms = self.read("select * from activation.arms")
        self.arms = self.arms[self.arms.due_at < as_of]
        self.arms["person"] = self.arms.customer_id.map(lambda one: merges.get(one, one))
        self.orders = self.read("select customer_id, ordered_at, order_key, gross_amount from marts.orders")
        self.returns = self.read(
            """
            select tied_order_key, returned_at, amount from marts.returns
            where is_counted and tied_order_key is not null
            """
        )
        self.visits = self.read("select customer_id, started_at from marts.sessions")
        self.orders_of = dict(list(self.orders.groupby("customer_id")))
        self.returns_of = dict(list(self.returns.groupby("tied_order_key")))
        self.visits_of = dict(list(self.visits.groupby("customer_id")))

    def read(self, query: str) -> pd.DataFrame:
        cursor = self.connection.execute(query)  # type: ignore[arg-type]
        assert cursor.description is not None
        frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])
        for column in frame.columns:
            if column.endswith("_at"):
                frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def did(
        self, person: str, event: str, opens: pd.Timestamp, closes: pd.Timestamp, settles: pd.Timestamp
    ) -> tuple[bool, int, float]:
        """Whether the person reached the goal, how many orders they made, and what these came to."""
        orders = self.orders_of.get(person)
        count, money = 0, 0.0
        if orders is not None:
            inside = orders[(orders.ordered_at >= opens) & (orders.ordered_at < closes)]
            count, money = len(inside), float(inside.gross_amount.sum())
            for key in inside.order_key:
                back = self.returns_of.get(key)
                if back is not None:
                    money += float(back[back.returned_at < settles].amount.sum())
        if event == "order":
            return count > 0, count, money
        visits = self.visits_of.get(person)
        is_there = visits is not None and bool(
            ((visits.started_at >= opens) & (visits.started_at < closes)).any()
        )
        return is_there, count, money

    def performance(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """By edition, variant and day the counts of marts.campaign_performance that are not zero."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}

        def add(key: tuple[Any, ...], name: str, amount: float = 1) -> None:
            row = found.setdefault(key, {})
            row[name] = row.get(name, 0) + amount

        told = self.events[self.events.event != "opened"]
        happened = {name: set(own.message_id) for name, own in told.groupby("event")}
        bounced = self.events[self.events.event == "bounced"].set_index("message_id")["class"].to_dict()
        people, anybody = self.clicks()
        happened |= {"clicked": people, "clicked_by_machines": anybody - people}
        for message in self.messages.itertuples():
            variant = message.variant if isinstance(message.variant, str) else None
            key = (message.edition_id, variant, message.day)
            state = {"planned": "waiting", "sending": "waiting"}.get(message.state, message.state)
            for name in ("message", state, *(["planned"] if state != "skipped" else [])):
                add(key, name)
            if isinstance(message.state_reason, str):
                add(key, f"{message.state}_{message.state_reason}")
            for event in [name for name, messages in happened.items() if message.message_id in messages]:
                add(key, event)
            if message.message_id in bounced:
                add(key, f"bounced_{bounced[message.message_id]}")
            if state == "accepted":
                is_reached, money = self.conversion(message)
                add(key, "converted", is_reached)
                add(key, "net_revenue", money)
        for key, name, count in self.skipped_and_gone():
            add(key, name, count)
        return found

    def skipped_and_gone(self) -> Iterator[tuple[tuple[Any, ...], str, int]]:
        """What editions remember of skipped messages whose rows are removed."""
        slots = self.editions.set_index("edition_id").due_at.dt.date
        rows = self.messages[self.messages.state == "skipped"].groupby(["edition_id", "state_reason"]).size()
        for count in self.counts.itertuples():
            gone = count.messages - rows.get((count.edition_id, count.reason), 0)
            if count.edition_id in slots and gone > 0:
                for name in ("message", "skipped", f"skipped_{count.reason}"):
                    yield (count.edition_id, None, slots[count.edition_id]), name, gone

    def conversion(self, message: Any) -> tuple[bool, float]:
        """Whether a message's recipient reached its goal in its window, and what they brought in it."""
        aim = goal(message.campaign)
        closes = message.due_at + aim["within"]
        is_reached, _, money = self.did(
            message.person, aim["event"], message.due_at, closes, closes + aim["return_period"]
        )
        return is_reached, money

    def clicks(self) -> tuple[set[Any], set[Any]]:
        """The messages in which people clicked, and all in which anything did."""
        delivered = self.events[self.events.event == "delivered"].groupby("message_id").occurred_at.min()
        people, anybody = set(), set()
        for message_id, own in self.events[self.events.event == "clicked"].groupby("message_id"):
            anybody.add(message_id)
            links = own.assign(link=own.detail.str.split("?").str[0])
            for click in links.itertuples():
                near = links[(links.occurred_at - click.occurred_at).abs() <= pd.Timedelta(seconds=5)]
                is_early = click.occurred_at < delivered[message_id] + pd.Timedelta(seconds=3)
                if click.user_agent != SCANNER and not is_early and near.link.nunique() < 3:
                    people.add(message_id)
        return people, anybody

    def opens(self) -> set[Any]:
        """The messages whose picture a person fetched."""
        opened = self.events[self.events.event == "opened"]
        people = opened[(opened.user_agent != SCANNER) & ~opened.is_machine_open.eq(True)]
        return set(people.message_id)

    def lift(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """By campaign, period, arm and variant the sums of marts.campaign_lift."""
        left = self.editions[self.editions.state.isin(["approved", "sending", "paused", "done"])]
        outcomes = []
        for campaign, arms in self.arms[self.arms.edition_id.isin(left.edition_id)].groupby("campaign"):
            own = left if campaign == "*" else left[left.campaign == campaign]
            begun = arms.due_at.min()
            for person, theirs in arms.groupby("person"):
                opens = theirs.due_at.min()
                period = 1 + (opens - begun) // (91 * DAY)
                edition = theirs.sort_values(["due_at", "edition_id"]).iloc[0].edition_id
                named = left.set_index("edition_id").campaign[edition]
                aim = goal("win_back") if campaign == "*" else goal(named)
                spec = CAMPAIGNS[named]
                if campaign == "*" or (
                    spec["re_entry"] != "never" and length(spec["re_entry"]) < aim["within"]
                ):
                    last = own[1 + (own.due_at - begun) // (91 * DAY) == period].due_at.max()
                    closes = max(opens, last) + aim["within"]
                else:
                    waits = [length(step["wait"]) for step in spec.get("journey", [])[1:]]
                    closes = opens + sum(waits, pd.Timedelta(0)) + aim["within"]
                settles = closes + aim["return_period"]
                is_reached, count, money = self.did(person, aim["event"], opens, closes, settles)
                outcomes.append(
                    {
                        "campaign": campaign,
                        "period": int(period),
                        "is_out": theirs.arm.nunique() > 1,
                        "arm": theirs.arm.iloc[0],
                        "variant": theirs.variant.iloc[0]
                        if theirs.variant.nunique(dropna=False) == 1
                        else None,
                        "is_reached": is_reached,
                        "orders": count,
                        "money": money,
                        "settles": settles,
                    }
                )
        frame = pd.DataFrame(outcomes)
        found = {}
        for (campaign, period), people in frame.groupby(["campaign", "period"]):
            kept = people[~people.is_out]
            cap = kept.money.quantile(0.99)
            for arm, own in kept.groupby("arm"):
                parts = {None: own, **{name: one for name, one in own.groupby("variant")}}
                for variant, part in parts.items():
                    capped = part.money.clip(upper=cap)
                    found[campaign, period, arm, variant] = {
                        "customer_count": len(part),
                        "converted_count": int(part.is_reached.sum()),
                        "buyer_count": int((part.orders > 0).sum()),
                        "net_revenue": round(float(part.money.sum()), 2),
                        "mean": round(float(capped.mean()), 6),
                        "variance": round(float(capped.var()), 3) if len(part) > 1 else None,
                        "cap": round(float(cap), 4),
                        "left_out": int(people.is_out.sum()),
                        "settles_at": people.settles.max(),
                    }
        return found
