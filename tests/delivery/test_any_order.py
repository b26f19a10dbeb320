"""Planning, sending, events, withdrawals, pauses, merges and crashes in any order: what must always hold."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from delivery.live_shop import EACH_MINUTE, LiveShop
from rapport import warehouse
from rapport.campaigns import decisions
from rapport.delivery import attempts, handing_over, leaving
from rapport.delivery.fake_sendgrid import Fault
from rapport.delivery.transports import sendgrid_client

CAMPAIGNS = ("one", "two")
PEOPLE = [f"c{number}" for number in range(1, 9)]
FAULTS = [
    None,
    Fault("reset", times=1),
    Fault("reset", after_accepting=True, times=1),
    Fault("status", status=500, after_accepting=True, times=1),
    Fault("proxy_page", status=502, times=1),
    Fault("named", recipients="^c2@"),
    Fault("unnamed", recipients="^c3@"),
    Fault("status", status=401, times=1),
    Fault("too_large", more_than=2),
    Fault("rate_limit", seconds=0, times=1),
]
EMPTY = """
truncate activation.editions, activation.messages, activation.attempts, activation.suppressions,
activation.pauses, activation.webhook_bodies, activation.message_events, activation.stray_events,
activation.recipients, activation.arms, activation.send_rate, activation.warehouse_mark, identity.merges,
identity.customers, ops.runs, marts.customers, marts.consents, segments.members, segments.memberships cascade
"""


class Crash(BaseException):
    """A process that ends here."""


class AnyOrder(RuleBasedStateMachine):
    """A cap of one mail a week for each address, whatever happens."""

    live: LiveShop

    @initialize(render=st.sampled_from(["single", "shape"]))
    def begin(self, render: str) -> None:
        self.live.fake.clear()
        self.live.shop.execute(EMPTY)
        caps = "caps: {marketing: {messages: 1, per: 7d}}"
        self.live.configure(render=render, more=caps)
        for name in CAMPAIGNS:
            self.live.shop.write(f"campaigns/{name}.yml", EACH_MINUTE.replace("re_entry: 1d\n", ""))
        for person in PEOPLE:
            self.live.shop.add(person, first_name=person.title())
        self.slot = datetime.now(UTC) - timedelta(hours=5)
        self.withdrawn: set[str] = set()
        self.merged: dict[str, str] = {}
        self.seen = 0

    @rule()
    def plan(self) -> None:
        self.slot += timedelta(minutes=1)
        self.live.shop.plan(self.slot)

    @rule(fault=st.sampled_from(FAULTS))
    def send(self, fault: Fault | None) -> None:
        self.live.fake.set_faults(*([fault] if fault else []))
        with self.watched():
            self.live.send()
        self.live.fake.set_faults()

    @rule(place=st.sampled_from(["claimed", "looked", "asked", "divided"]), fault=st.sampled_from(FAULTS))
    def crash(self, place: str, fault: Fault | None) -> None:
        self.live.fake.set_faults(*([fault] if fault else []))
        with self.watched(), crashing(place), suppress(Crash):
            self.live.send()
        self.live.fake.set_faults()

    @precondition(lambda self: self.live.fake.log())
    @rule(data=st.data(), event=st.sampled_from(["delivered", "bounce", "spamreport", "open", "unsubscribe"]))
    def event(self, data: st.DataObject, event: str) -> None:
        mail = data.draw(st.sampled_from(sorted(self.live.fake.log(), key=lambda mail: mail.email)))
        told = {"email": mail.email, "event": event, "timestamp": int(time.time()), **mail.custom_args}
        if event == "bounce":
            told |= {"type": "bounce", "reason": "550 nobody", "status": "5.1.1"}
        self.live.shop.execute(
            "insert into activation.webhook_bodies (body) values (%s)", json.dumps([told, told]).encode()
        )
        if event in ("bounce", "spamreport", "unsubscribe"):
            self.withdrawn.add(mail.email)

    @rule(person=st.sampled_from(PEOPLE))
    def unsubscribe(self, person: str) -> None:
        self.live.shop.execute(
            """
            insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
            select recipient_key, 'news', 'unsubscribed', now() from activation.recipients where email = %s
            on conflict do nothing
            """,
            f"{person}@mail.example",
        )
        if self.live.shop.execute("select 1 from activation.recipients limit 1"):
            self.withdrawn.add(f"{person}@mail.example")

    @rule(campaign=st.sampled_from([None, *CAMPAIGNS]))
    def pause(self, campaign: str | None) -> None:
        with warehouse.connect(self.live.shop.url) as connection:
            decisions.pause(connection, campaign, by="me")

    @rule()
    def resume(self) -> None:
        with warehouse.connect(self.live.shop.url) as connection:
            for campaign in (None, *CAMPAIGNS):
                decisions.resume(connection, campaign, by="me")

    @rule(pair=st.sampled_from([("c5", "c6"), ("c7", "c8")]))
    def merge(self, pair: tuple[str, str]) -> None:
        old, new = pair
        if old not in self.merged:
            run = self.live.shop.run(self.slot)
            self.live.shop.leave(old, "active")
            self.live.shop.merge(old, new, run)
            self.merged[old] = new

    @rule()
    def an_hour_passes(self) -> None:
        self.live.shop.execute("update activation.attempts set ended_at = ended_at - interval '1 hour'")

    @invariant()
    def nobody_gets_two(self) -> None:
        addresses = Counter(mail.email for mail in self.live.fake.log())
        assert max(addresses.values(), default=0) <= 1

    @invariant()
    def states_tell_the_truth(self) -> None:
        received = {mail.message_id for mail in self.live.fake.log()}
        for message_id, state in self.live.shop.execute("select message_id, state from activation.messages"):
            if state == "accepted":
                assert str(message_id) in received
            elif state not in ("sending", "uncertain", "unknown"):
                assert str(message_id) not in received, state

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What leaves in here must be allowed to."""
        before = len(self.live.fake.log())
        asked = len(self.live.fake.requests())
        withdrawn = set(self.withdrawn)
        pauses = {
            row[0]
            for row in self.live.shop.execute(
                "select campaign from activation.pauses where resumed_at is null"
            )
        }
        was_merged = dict(self.merged)
        yield
        new = self.live.fake.log()[before:]
        assert not {mail.email for mail in new} & withdrawn
        if None in pauses:
            assert len(self.live.fake.requests()) == asked
        old = self.live.fake.log()[:before]
        campaigns = {
            str(message_id): campaign
            for message_id, campaign in self.live.shop.execute(
                "select message_id, campaign from activation.messages"
            )
        }
        assert not {campaigns[mail.message_id or ""] for mail in new} & pauses
        for one, other in was_merged.items():
            pair = {f"{one}@mail.example", f"{other}@mail.example"}
            had, got = (
                [campaigns[mail.message_id or ""] for mail in mails if mail.email in pair]
                for mails in (old, new)
            )
            assert len(got) == len(set(got))
            assert not set(got) & set(had)

    def teardown(self) -> None:
        """In the end, with no more faults, nothing stays in between."""
        if not hasattr(self, "seen"):
            return
        self.live.shop.execute(
            "update activation.attempts set requested_at = requested_at - interval '1 hour'"
        )
        self.resume()
        with self.watched():
            self.live.send()
        states = set(self.live.states())
        held = self.live.shop.execute("select 1 from activation.editions where state in ('held', 'paused')")
        assert "sending" not in states
        assert held or "planned" not in states


@contextmanager
def crashing(place: str) -> Iterator[None]:
    """End the sender at a place: after it claimed, before its request, after the answer, while dividing."""
    target = {
        "claimed": (leaving, "last_look"),
        "looked": (handing_over.Handing, "_hand_over"),
        "asked": (attempts, "end"),
        "divided": (handing_over.Handing, "_ask"),
    }[place]
    with mock.patch.object(*target, side_effect=Crash):
        yield


def in_any_order(live: LiveShop, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int) -> None:
    monkeypatch.setattr(sendgrid_client, "ANSWERED_BY", 2.0)
    monkeypatch.setattr(AnyOrder, "live", live, raising=False)
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_in_any_order(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    in_any_order(live, monkeypatch, examples=3, steps=12)


@pytest.mark.long
def test_in_any_order_for_long(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    in_any_order(live, monkeypatch, examples=120, steps=30)
