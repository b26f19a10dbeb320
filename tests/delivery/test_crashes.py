"""Through kills, stops and every answer: nobody twice, and everybody in exactly one state."""

import os
import random
import signal
import socket
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import urllib3

from delivery import crashing_senders
from delivery.live_shop import LiveShop
from rapport.delivery import leaving, settling
from rapport.delivery.fake_sendgrid import Fault


def test_sends_interrupted_at_random(live: LiveShop) -> None:
    interrupted(live, render="shape", people=400, rounds=6, seed=5, kills_postgres=False)


@pytest.mark.long
def test_lone_mails_interrupted_at_random(live: LiveShop) -> None:
    interrupted(live, render="single", people=400, rounds=20, seed=6, kills_postgres=False)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_sends_interrupted_at_random(live: LiveShop, seed: int) -> None:
    interrupted(
        live,
        render="single" if seed % 2 else "shape",
        people=10_000,
        rounds=250,
        seed=seed,
        kills_postgres=True,
    )


def interrupted(
    live: LiveShop, *, render: str, people: int, rounds: int, seed: int, kills_postgres: bool
) -> None:
    chance = random.Random(seed)
    # Slow enough that every round finds something to disturb.
    live.configure(render=render, per_second=max(100, people / rounds * 2))
    live.people(people)
    live.shop.execute("update activation.editions set ramp_passed_at = now(), ramp_sent_at = now()")
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    for _ in range(rounds):
        crashing_senders.disturb(live, settings, chance, kills_postgres=kills_postgres)
        crashing_senders.resume_all(live)
    live.fake.set_faults()
    live.configure(render=render)
    deadline = time.monotonic() + 120
    while not {"planned", "sending"}.isdisjoint(live.states()) and time.monotonic() < deadline:
        process = crashing_senders.start(live, settings)
        process.join(60)
        time.sleep(0.2)

    received = [(mail.message_id, mail.email) for mail in live.fake.log()]
    assert len({email for _, email in received}) == len(received)
    states = {
        str(message_id): state
        for message_id, state in live.shop.execute("select message_id, state from activation.messages")
    }
    assert len(states) == people
    assert set(states.values()) <= {"accepted", "rejected", "uncertain", "unknown"}
    got_it = {message_id for message_id, _ in received}
    assert {message_id for message_id, state in states.items() if state == "accepted"} <= got_it
    assert got_it <= {key for key, state in states.items() if state in ("accepted", "uncertain", "unknown")}
    assert live.shop.execute("select count(*) from activation.attempts where ended_at is null") == [(0,)]
    assert live.edition()[0] == "done"
    # Each uncertain one is named by an attempt that says so.
    unnamed = live.shop.execute(
        """
        select count(*) from activation.messages
        left join activation.attempts using (attempt_id)
        where messages.state = 'uncertain' and attempts.outcome is distinct from 'uncertain'
        """
    )
    assert unnamed == [(0,)]


def test_what_had_not_left_when_its_sender_died_is_sent_and_the_rest_is_uncertain(live: LiveShop) -> None:
    live.people(100)
    live.fake.set_faults(Fault("late", seconds=2))
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    sender = crashing_senders.start(live, settings)
    while len(live.fake.log()) < 20:
        time.sleep(0.02)
    sender.kill()
    sender.join()
    live.fake.set_faults()
    time.sleep(0.3)
    took = len(live.accepted())
    live.send()
    states = live.states()
    assert set(states) <= {"accepted", "uncertain"}
    assert states["uncertain"] >= took - states.get("accepted", 0)
    assert len(live.accepted()) == len(set(live.accepted()))
    # What it had claimed and not yet handed over was planned again, and has left since.
    assert states["accepted"] == 100 - states["uncertain"] >= 60


def test_who_withdrew_while_the_sender_stood_still_gets_nothing_when_it_wakes(live: LiveShop) -> None:
    live.configure(per_second=2)
    live.people(12)
    live.fake.set_faults(Fault("late", seconds=0.2))
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    sender = crashing_senders.start(live, settings)
    assert sender.pid is not None
    while not live.fake.log():
        time.sleep(0.01)
    os.kill(sender.pid, signal.SIGSTOP)
    time.sleep(2)
    with psycopg.connect(live.shop.url) as connection:
        connection.execute(
            """
            insert into activation.suppressions
            select recipient_key, 'all', 'x', now() from activation.recipients
            """
        )
    before = len(live.accepted())
    os.kill(sender.pid, signal.SIGCONT)
    sender.join(30)
    assert not sender.is_alive()
    # Two a second are under way at most; what was on the wire when it was stopped may still arrive.
    assert len(live.accepted()) - before <= 2
    assert len(live.accepted()) == len(set(live.accepted())) <= 4
    live.send()
    assert live.states().keys() <= {"accepted", "skipped", "uncertain"}


@pytest.mark.parametrize(
    ("meanwhile", "accepted"),
    [
        ("update activation.attempts set claimed_at = claimed_at - interval '61 seconds'", 0),
        ("insert into activation.pauses (paused_by) values ('me')", 0),
        ("insert into activation.pauses (campaign, paused_by) values ('weekly', 'me')", 0),
        ("update activation.editions set state = 'held'", 0),
        ("select 1", 5),
    ],
    ids=["too old", "everything paused", "campaign paused", "edition held", "only late"],
)
def test_what_changes_while_a_sender_connects_is_heeded_before_the_mails_leave(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch, meanwhile: str, accepted: int
) -> None:
    connect = urllib3.util.connection.create_connection

    def slow(*arguments: Any, **options: Any) -> socket.socket:
        live.shop.execute(meanwhile)
        time.sleep(leaving.STALLED)
        return connect(*arguments, **options)

    monkeypatch.setattr(leaving, "STALLED", 0.1)
    live.configure(render="shape")
    live.people(5 if accepted else 25)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", slow)
    counts = live.send()
    assert (counts.accepted, counts.returned) == (accepted, 0 if accepted else 25)
    assert len(live.accepted()) == accepted
    assert live.states() == ({"accepted": 5} if accepted else {"planned": 25})


def test_a_claim_older_than_a_minute_is_given_back(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    live.people(5)
    look = leaving.last_look

    def late_look(connection: psycopg.Connection, attempt_ids: list[int]) -> set[int]:
        live.shop.execute("update activation.attempts set claimed_at = claimed_at - interval '61 seconds'")
        return look(connection, attempt_ids)

    monkeypatch.setattr(leaving, "last_look", late_look)
    assert live.send().returned == 5
    assert live.accepted() == []
    assert live.states() == {"planned": 5}
    monkeypatch.setattr(leaving, "last_look", look)
    live.send()
    assert live.states() == {"accepted": 5}


def test_a_living_sender_keeps_what_it_has_until_time_is_up(live: LiveShop) -> None:
    """Others settle its attempts when its lock is gone, or after the longest that a request takes."""
    live.people(2)
    with psycopg.connect(live.shop.url, autocommit=True) as living:
        living.execute("select pg_advisory_lock(%s, 77)", [settling.SENDER_LOCK])
        leave_behind(live, sender=77, requested=True)
        live.send()
        assert live.states() == {"sending": 2}
        live.shop.execute(
            "update activation.attempts set requested_at = now() - %s",
            settling.ANSWERED_BY + timedelta(seconds=1),
        )
        live.send()
        assert live.states() == {"uncertain": 2}


@pytest.mark.parametrize(
    ("transport", "requested", "state"),
    [
        ("sendgrid", True, "uncertain"),
        ("sendgrid", False, "accepted"),
        ("smtp", True, "unknown"),
        ("smtp", False, "accepted"),
    ],
)
def test_what_a_dead_sender_left_depends_on_whether_it_left(
    live: LiveShop, transport: str, requested: bool, state: str
) -> None:
    live.people(2)
    leave_behind(live, sender=78, requested=requested, transport=transport)
    live.send()
    assert live.states() == {state: 2}


def leave_behind(live: LiveShop, *, sender: int, requested: bool, transport: str = "sendgrid") -> None:
    """An attempt with all messages, as a sender leaves it that dies with it in its hands."""
    live.shop.execute("update activation.editions set state = 'sending'")
    live.shop.execute(
        """
        insert into activation.attempts (edition_id, transport, messages, sender, requested_at)
        select edition_id, %s, 2, %s, case when %s then now() end from activation.editions
        """,
        transport,
        sender,
        requested,
    )
    live.shop.execute(
        """
        update activation.messages
        set
            state = 'sending',
            claimed_at = now(),
            attempt_id = (select max(attempt_id) from activation.attempts)
        """
    )


def test_a_cleared_task_sends_nothing_twice(live: LiveShop) -> None:
    live.people(3)
    live.send()
    live.send()
    assert len(live.accepted()) == 3
