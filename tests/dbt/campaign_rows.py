"""Editions, messages, events and arms as planning, sending and webhooks leave them, made up."""

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

DAY = timedelta(days=1)
REASONS = ("no_consent", "suppressed", "frequency_cap", "re_entry", "not_bought_within", "no_longer_matches")
SCANNER = "Mozilla/5.0 (compatible; Barracuda Sentinel)"
PERSON = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/605.1.15"

# Campaign, what its file says of measuring it, its steps, its variants, its holdout.
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "letter": {"re_entry": "1d", "goal": {"event": "order", "within": "14d", "return_period": "2w"}},
    "win_back": {"re_entry": "never", "goal": None},
    "path": {
        "re_entry": "never",
        "goal": {"event": "visit", "within": "36h", "return_period": "5d"},
        "journey": [{"name": "one", "wait": "0m"}, {"name": "two", "wait": "3d"}],
    },
}
VARIANTS = {"letter": ["a", "b"]}


@dataclass
class Rows:
    """Rows by table, as dictionaries."""

    editions: list[dict[str, Any]] = field(default_factory=list)
    counts: list[dict[str, Any]] = field(default_factory=list)
    arms: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def insert(self, connection: psycopg.Connection) -> None:
        for table, rows in (
            ("editions", self.editions),
            ("edition_counts", self.counts),
            ("arms", self.arms),
            ("messages", self.messages),
            ("message_events", self.events),
        ):
            for row in rows:
                names = ", ".join(row)
                marks = ", ".join(f"%({name})s" for name in row)
                connection.execute(
                    f"insert into activation.{table} ({names}) values ({marks}) on conflict do nothing",  # type: ignore[arg-type]
                    row,
                )


class Maker:
    """Makes editions for the customers; the same seed gives the same rows. `run_id` planned them."""

    def __init__(self, customers: Sequence[str], run_id: int, seed: int) -> None:
        self.customers = list(customers)
        self.run_id = run_id
        self.random = random.Random(seed)
        self.assigned: dict[tuple[str, str], tuple[str, str | None]] = {}

    def edition(
        self,
        campaign: str,
        slot_at: datetime,
        *,
        step: str | None = None,
        state: str = "done",
        share: float = 0.7,
        is_sent: bool = True,
    ) -> Rows:
        """One edition with its messages and what happened to them."""
        rows = Rows()
        edition_id = "/".join(filter(None, [campaign, step, slot_at.isoformat()]))
        rows.editions.append(
            {
                "edition_id": edition_id,
                "campaign": campaign,
                "step": step,
                "slot_at": slot_at,
                "due_at": slot_at,
                "run_id": self.run_id,
                "state": state,
                "edition_hash": "made up",
                "specification": json.dumps({"campaign": CAMPAIGNS[campaign]}),
            }
        )
        skipped: dict[str, int] = {}
        for customer in self.random.sample(self.customers, int(len(self.customers) * share)):
            self._message(rows, campaign, edition_id, slot_at, customer, is_sent, skipped)
        # Two of those who were skipped for want of consent are so long ago that their rows are gone.
        rows.counts += [
            {"edition_id": edition_id, "reason": reason, "messages": count + 2 * (reason == "no_consent")}
            for reason, count in skipped.items()
        ]
        return rows

    def _message(
        self,
        rows: Rows,
        campaign: str,
        edition_id: str,
        slot_at: datetime,
        customer: str,
        is_sent: bool,
        skipped: dict[str, int],
    ) -> None:
        chance = self.random
        due_at = slot_at + timedelta(hours=chance.choice([0, 0, 7, 20]))
        message = {
            "message_id": uuid.UUID(int=chance.getrandbits(128)),
            "edition_id": edition_id,
            "campaign": campaign,
            "customer_id": customer,
            "recipient_key": f"key of {customer}",
            "due_at": due_at,
            "state": "planned",
            "state_reason": None,
            "arm": None,
            "variant": None,
            "accepted_at": None,
        }
        rows.messages.append(message)
        if chance.random() < 0.25:
            reason = chance.choice(REASONS[:-1])
            skipped[reason] = skipped.get(reason, 0) + 1
            message |= {"state": "skipped", "state_reason": reason, "recipient_key": None}
            return
        if (campaign, customer) not in self.assigned:
            arm = "holdout" if chance.random() < 0.3 else "treatment"
            variant = (
                chance.choice(VARIANTS[campaign]) if arm == "treatment" and campaign in VARIANTS else None
            )
            self.assigned[campaign, customer] = arm, variant
            rows.arms.append(
                {
                    "campaign": campaign,
                    "recipient_key": f"key of {customer}",
                    "customer_id": customer,
                    "arm": arm,
                    "variant": variant,
                    "edition_id": edition_id,
                    "due_at": due_at,
                }
            )
        message["arm"], message["variant"] = self.assigned[campaign, customer]
        if message["arm"] == "holdout":
            message |= {"state": "skipped", "state_reason": "holdout"}
        elif is_sent:
            self._send(rows, message)

    def _send(self, rows: Rows, message: dict[str, Any]) -> None:
        chance = self.random
        outcomes = ["accepted"] * 14 + [
            "rejected",
            "uncertain",
            "unknown",
            "planned",
            "skipped",
            "expired",
            "cancelled",
        ]
        message["state"] = chance.choice(outcomes)
        if message["state"] != "accepted":
            reasons = {"skipped": "no_longer_matches", "expired": "too_late", "cancelled": "by_hand"}
            message["state_reason"] = reasons.get(message["state"])
            return
        message["accepted_at"] = message["due_at"] + timedelta(seconds=chance.randrange(900))
        at = message["accepted_at"] + timedelta(seconds=2)

        def happened(event: str, later: timedelta, **more: Any) -> None:
            rows.events.append(
                {"message_id": message["message_id"], "event": event, "occurred_at": at + later, **more}
            )

        fate = chance.random()
        if fate < 0.1:
            happened("bounced", timedelta(0), **{"class": chance.choice(["hard", "soft", "blocked"])})
            return
        if fate < 0.15:
            happened("dropped", timedelta(0), **{"class": "invalid"})
            return
        happened("delivered", timedelta(0))
        if chance.random() < 0.1:
            happened("unsubscribed", 2 * DAY)
        if chance.random() < 0.05:
            happened("complained", DAY)
        for link, later, user_agent in clicks(chance):
            happened("clicked", later, detail=link, user_agent=user_agent)
        for later, user_agent, is_machine_open in opens(random.Random(message["message_id"].int)):
            happened("opened", later, user_agent=user_agent, is_machine_open=is_machine_open)


def opens(chance: random.Random) -> list[tuple[timedelta, str, bool | None]]:
    """How one mail is opened: how long after delivery, user agent, whether it is Apple's proxy."""
    person = [(timedelta(hours=4), PERSON, False), (timedelta(hours=9), PERSON, None)]
    proxy = [(timedelta(minutes=1), PERSON, True)]
    scanner = [(timedelta(minutes=2), SCANNER, None)]
    kinds = {"none": [], "person": person, "proxy": proxy, "scanner": scanner, "both": proxy + person}
    return kinds[chance.choice([*kinds])]


def clicks(chance: random.Random) -> list[tuple[str, timedelta, str]]:
    """What is clicked in one mail: link, how long after delivery, user agent."""
    links = [f"https://shop.example/{page}" for page in ("new", "sale", "cart")]
    person = [(chance.choice(links) + "?id=1", timedelta(hours=5), PERSON)]
    burst = [(link, timedelta(seconds=60 + place), PERSON) for place, link in enumerate(links)]
    kinds = {
        "none": [],
        "person": person,
        "scanner": [(links[0], timedelta(minutes=3), SCANNER)],
        "burst": burst,
        "early": [(links[1], timedelta(seconds=1), PERSON)],
        "both": person + burst,
    }
    return kinds[chance.choice([*kinds, "person"])]
