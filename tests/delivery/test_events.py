"""Draining webhook bodies: any order, any copies, nothing lost, nobody mailed who said no."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.small_shop import MONDAY, SmallShop
from rapport import warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.delivery import outbox as sending
from rapport.delivery.editions import anything_due
from rapport.delivery.events import DRAIN_LOCK, DrainCounts, drain
from rapport.delivery.outbox import send_due
from rapport.errors import RecipientKeyChanged

KEY = RecipientKey(b"0123456789abcdef0123456789abcdef", "RAPPORT_RECIPIENT_KEY")
NOON = datetime(2026, 6, 29, 12, tzinfo=UTC)
MESSAGES = UUID("6d1d0f8e-3f0a-4c39-9a25-1d6f5f5f0001")


@dataclass
class Outbox:
    """Messages that are on their way, and the webhook that tells of them."""

    connection: psycopg.Connection

    def message(self, name: str, attempt: int | None = 1, state: str = "sending", edition: str = "e") -> str:
        """A message to <name>@mail.example; its id."""
        message_id = str(uuid5(MESSAGES, name))
        self.connection.execute(
            """
            insert into activation.editions (
                edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification
            )
            values (%s, 'c', now(), now(), 1, 'sending', '', '{}') on conflict do nothing
            """,
            [edition],
        )
        if attempt:
            self.connection.execute(
                """
                insert into activation.attempts (
                    attempt_id, edition_id, transport, messages, ended_at, outcome
                )
                overriding system value values (%s, %s, 'sendgrid', 1, %s, %s) on conflict do nothing
                """,
                [attempt, edition, *((None, None) if state == "sending" else (NOON, "uncertain"))],
            )
        self.connection.execute(
            """
            insert into activation.messages (
                message_id, edition_id, campaign, customer_id, recipient_key, state, due_at, attempt_id
            )
            values (%s, %s, 'c', %s, %s, %s, now(), %s)
            """,
            [message_id, edition, name, KEY.key_of(f"{name}@mail.example"), state, attempt],
        )
        return message_id

    def event(self, kind: str, name: str | None = "anna", minute: int = 0, **fields: Any) -> dict[str, Any]:
        """An event as SendGrid sends it, of the message to `name`; without our ids where there is none."""
        ids = {"rapport_message": str(uuid5(MESSAGES, name)), "rapport_attempt": "1"} if name else {}
        return {
            "email": f"{name or 'stray'}@mail.example",
            "timestamp": int((NOON + timedelta(minutes=minute)).timestamp()),
            "event": kind,
            "sg_event_id": random.randbytes(8).hex(),
            **ids,
            **fields,
        }

    def store(self, *events: Any, body: bytes | None = None) -> None:
        self.connection.execute(
            "select public_pages.store_webhook(%b)",
            [json.dumps(events).encode() if body is None else body],
        )

    def drain(self) -> DrainCounts:
        return drain(self.connection, KEY, NOON)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()  # type: ignore[arg-type]

    def states(self) -> dict[str, tuple[str, str | None]]:
        """(state, delivery) by name."""
        rows = self.rows("select customer_id, state, delivery from activation.messages")
        return {name: (state, delivery) for name, state, delivery in rows}

    def suppressed(self) -> list[tuple[str, str, str | None]]:
        """(name, reason, detail), all of topic all."""
        names = {KEY.key_of(f"{name}@mail.example"): name for name in ("anna", "bert", "stray")}
        rows = self.rows(
            "select recipient_key, topic, reason, detail from activation.suppressions order by 1, 3, 4"
        )
        assert all(topic == "all" for _, topic, _, _ in rows)
        return sorted((names[key], reason, detail) for key, _, reason, detail in rows)

    def all_tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """What is known, but for when it was recorded."""
        return {
            table: self.rows(f"select {columns} from activation.{table} order by {columns}")
            for table, columns in {
                "messages": "message_id, state, delivery, delivery_at, delivery_detail",
                "message_events": "message_id, event, occurred_at, detail, class",
                "suppressions": "recipient_key, topic, reason, suppressed_at",
                "stray_events": "event, occurred_at, recipient_key, detail",
                "attempts": "attempt_id, outcome",
            }.items()
        }


def without_ids(event: dict[str, Any]) -> dict[str, Any]:
    """As asynchronous bounces come."""
    return {name: value for name, value in event.items() if not name.startswith("rapport_")}


@pytest.fixture
def outbox(warehouse_url: str) -> Iterator[Outbox]:
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        KEY.verify(connection)
        connection.execute(
            """
            insert into ops.runs (run_id, as_of, config_hash, state)
            overriding system value values (1, now(), '', 'succeeded')
            """
        )
        yield Outbox(connection)


def test_an_event_says_what_became_of_a_message(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.store(outbox.event("delivered", response="250 OK", unknown={"field": [1]}))
    counts = outbox.drain()
    assert (counts.bodies, counts.events, counts.accepted, counts.suppressed) == (1, 1, 1, 0)
    assert outbox.states() == {"anna": ("accepted", "delivered")}
    assert outbox.rows("select event, occurred_at, attempt_id from activation.message_events") == [
        ("delivered", NOON, 1)
    ]
    assert outbox.rows("select body from activation.webhook_bodies") == []
    assert outbox.rows("select accepted_at from activation.messages") == [(NOON,)]


def test_nothing_to_drain_is_nothing_to_do(outbox: Outbox) -> None:
    assert outbox.drain() == DrainCounts()


SUPPRESSING = [
    ({"kind": "bounce", "type": "bounce", "status": "5.1.1", "reason": "no such user"}, "bounced", "hard"),
    ({"kind": "bounce", "type": "bounce", "status": "4.4.7"}, "bounced", "hard"),
    ({"kind": "bounce", "reason": "an asynchronous bounce"}, "bounced", "hard"),
    ({"kind": "spamreport"}, "complained", "spamreport"),
    ({"kind": "unsubscribe"}, "unsubscribed", "unsubscribe"),
    ({"kind": "group_unsubscribe", "asm_group_id": 7}, "unsubscribed", "group_unsubscribe"),
    ({"kind": "dropped", "reason": "Bounced Address"}, "dropped", "bounced"),
    ({"kind": "dropped", "reason": "Unsubscribed Address"}, "dropped", "unsubscribed"),
    ({"kind": "dropped", "reason": "Spam Reporting Address"}, "dropped", "complained"),
    ({"kind": "dropped", "reason": "Invalid"}, "dropped", "invalid"),
]
HARMLESS: list[dict[str, Any]] = [
    {"kind": "bounce", "type": "blocked", "reason": "listed"},
    {"kind": "bounce", "status": "4.2.2", "reason": "full"},
    {"kind": "deferred", "response": "try later"},
    {"kind": "dropped", "reason": "Invalid SMTPAPI header"},
    {"kind": "dropped", "reason": "Recipient List over Package Quota"},
    {"kind": "dropped"},
    {"kind": "delivered"},
    {"kind": "processed"},
    {"kind": "open"},
    {"kind": "click", "url": "https://small.example"},
    {"kind": "group_resubscribe"},
    {"kind": "something new"},
]


@pytest.mark.parametrize("has_ids", [True, False])
def test_checklist_6_what_an_address_said_suppresses_it(outbox: Outbox, has_ids: bool) -> None:
    """In the transaction of the event; also where the event has lost our id."""
    expected = []
    for number, (fields, reason, detail) in enumerate(SUPPRESSING):
        name = f"p{number}"
        outbox.message(name, attempt=number + 1)
        event = outbox.event(name=name, **fields)
        outbox.store(event if has_ids else without_ids(event))
        expected.append((KEY.key_of(f"{name}@mail.example"), "all", reason, NOON, detail))
    assert outbox.drain().suppressed == len(expected)
    assert sorted(outbox.rows("select * from activation.suppressions")) == sorted(expected)
    strays = outbox.rows("select recipient_key from activation.stray_events order by 1")
    assert strays == ([] if has_ids else sorted((row[0],) for row in expected))
    assert {state for state, _ in outbox.states().values()} == {"accepted" if has_ids else "sending"}


def test_a_forwarded_mail_suppresses_whom_it_was_to(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.store(outbox.event("spamreport", email="bert@mail.example"))
    outbox.drain()
    assert [name for name, _, _ in outbox.suppressed()] == ["anna"]


@pytest.mark.parametrize("has_ids", [True, False])
def test_checklist_6_other_events_suppress_nobody(outbox: Outbox, has_ids: bool) -> None:
    for number, fields in enumerate(HARMLESS):
        outbox.message(f"p{number}", attempt=number + 1)
        event = outbox.event(name=f"p{number}", **fields)
        outbox.store(event if has_ids else without_ids(event))
    assert outbox.drain().suppressed == 0
    assert outbox.rows("select * from activation.suppressions") == []
    strays = outbox.rows("select recipient_key from activation.stray_events")
    people = sorted((KEY.key_of(f"p{number}@mail.example"),) for number in range(len(HARMLESS)))
    assert sorted(strays) == ([] if has_ids else people)
    assert {state for state, _ in outbox.states().values()} == {"accepted" if has_ids else "sending"}


def test_one_event_accepts_its_whole_attempt_and_no_other(outbox: Outbox) -> None:
    for name, attempt, state in (
        ("bert", 1, "uncertain"),
        ("anna", 1, "sending"),
        ("cleo", 1, "unknown"),
        ("dora", 1, "rejected"),
        ("emil", 2, "uncertain"),
    ):
        outbox.message(name, attempt, state)
    outbox.store(outbox.event("processed"))
    assert outbox.drain().accepted == 3
    assert {name: state for name, (state, _) in outbox.states().items()} == {
        "anna": "accepted",
        "bert": "accepted",
        "cleo": "accepted",
        "dora": "rejected",
        "emil": "uncertain",
    }
    assert outbox.rows("select attempt_id, outcome from activation.attempts order by 1") == [
        (1, "accepted"),
        (2, "uncertain"),
    ]


def test_an_attempt_under_way_is_ended_by_its_sender(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.store(outbox.event("delivered"))
    outbox.drain()
    assert outbox.states() == {"anna": ("accepted", "delivered")}
    assert outbox.rows("select outcome, ended_at from activation.attempts") == [(None, None)]


def test_an_attempt_of_another_edition_is_not_meant(outbox: Outbox) -> None:
    """Another installation on the same account may count its attempts from 1 as well."""
    outbox.message("anna", 1, "uncertain", edition="e")
    outbox.message("bert", 2, "uncertain", edition="other")
    outbox.store(outbox.event("delivered", "anna", rapport_attempt="2"))
    outbox.store(
        outbox.event("delivered", None, rapport_message=str(uuid5(MESSAGES, "x")), rapport_attempt="2")
    )
    counts = outbox.drain()
    assert outbox.states() == {"anna": ("accepted", "delivered"), "bert": ("uncertain", None)}
    assert counts.strays == 1


def test_an_event_on_a_message_that_was_not_sent_is_an_alarm(outbox: Outbox) -> None:
    for number, state in enumerate(("rejected", "planned", "skipped")):
        outbox.message(state, number + 1, state)
        outbox.store(outbox.event("delivered", state))
        (alarm,) = outbox.drain().alarms
        assert alarm.startswith(f"1 messages of edition e were {state} here, but SendGrid has sent them")
    assert set(outbox.states().values()) == {("accepted", "delivered")}


def test_delivery_never_goes_backwards(outbox: Outbox) -> None:
    kinds = [
        ("deferred", 0),
        ("delivered", 1),
        ("deferred", 2),
        ("bounce", 3),
        ("delivered", 4),
        ("deferred", 5),
    ]
    outbox.message("anna")
    seen = []
    for kind, minute in kinds:
        outbox.store(outbox.event(kind, minute=minute, type="blocked"))
        outbox.drain()
        seen.append(outbox.states()["anna"][1])
    assert seen == ["deferred", "delivered", "delivered", "bounced", "bounced", "bounced"]
    outbox.store(outbox.event("spamreport", minute=-10))
    outbox.drain()
    assert outbox.states()["anna"][1] == "complained"


def test_copies_count_once(outbox: Outbox) -> None:
    """SendGrid sends three copies on average, each with another sg_event_id."""
    outbox.message("anna")
    event = outbox.event("bounce", reason="no such user")
    for copy in range(5):
        outbox.store({**event, "sg_event_id": f"copy {copy}"}, {**event, "sg_event_id": f"again {copy}"})
        outbox.drain()
    assert len(outbox.rows("select from activation.message_events")) == 1
    assert len(outbox.suppressed()) == 1
    stray = outbox.event("open", None)
    outbox.store(stray, stray)
    outbox.store(stray)
    assert outbox.drain().strays == 1


def test_events_that_differ_in_time_or_link_are_two(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.store(
        outbox.event("click", url="https://small.example/a"),
        outbox.event("click", url="https://small.example/b"),
        outbox.event("click", url="https://small.example/a", minute=1),
        outbox.event("open", sg_machine_open=True, useragent="Proxy"),
        outbox.event("open", minute=1, useragent="Mail"),
    )
    assert outbox.drain().events == 5
    assert outbox.rows(
        "select is_machine_open, user_agent from activation.message_events where event = 'opened' order by 2"
    ) == [(None, "Mail"), (True, "Proxy")]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "processed",
                "deferred",
                "delivered",
                "bounce",
                "dropped",
                "spamreport",
                "open",
                "click",
                "unsubscribe",
            ]
        ),
        st.sampled_from(["anna", "bert", None]),
        st.integers(0, 3),
        st.sampled_from(["", "Bounced Address", "other"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.randoms(use_true_random=False))
def test_order_copies_and_cuts_do_not_matter(
    outbox: Outbox, chosen: list[tuple[str, str | None, int, str]], shuffle: random.Random
) -> None:
    events = [outbox.event(kind, name, minute, reason=reason) for kind, name, minute, reason in chosen]
    found = []
    for is_shuffled in (False, True):
        outbox.connection.execute(
            """
            truncate activation.messages, activation.attempts, activation.suppressions,
                activation.stray_events, activation.webhook_bodies cascade
            """
        )
        outbox.message("anna")
        outbox.message("bert", state="uncertain")
        if is_shuffled:
            events = events + shuffle.sample(events, len(events) // 2)
            shuffle.shuffle(events)
            for event in events:
                outbox.store(event)
                if shuffle.random() < 0.5:
                    outbox.drain()
        else:
            outbox.store(*events)
        outbox.drain()
        found.append(outbox.all_tables())
    assert found[0] == found[1]


def test_what_cannot_be_read_is_kept_and_named_and_blocks_nobody(outbox: Outbox) -> None:
    outbox.message("anna")
    for body in (b"", b"no json", b"[" * 100_000, b'"text"', b"[1, 2]", b"\xff\xfe", b"null"):
        outbox.store(body=body)
    outbox.store(outbox.event("delivered"))
    counts = outbox.drain()
    assert counts.bodies == 1
    assert len(counts.faults) == 7
    assert outbox.states() == {"anna": ("accepted", "delivered")}
    assert {fault for (fault,) in outbox.rows("select fault from activation.webhook_bodies")} == {
        "it is no JSON",
        "it is JSON, but no list of events",
        "it is a list, but not of events",
    }
    assert outbox.drain() == DrainCounts()
    outbox.connection.execute(
        "update activation.webhook_bodies set received_at = now() - interval '31 days' where body_id % 2 = 0"
    )
    outbox.store(outbox.event("delivered"))
    outbox.drain()
    assert len(outbox.rows("select from activation.webhook_bodies")) in (3, 4)


ODD: list[dict[str, Any]] = [
    {"reason": "a\0b \ud800"},
    {"timestamp": "soon"},
    {"timestamp": 10**30},
    {"timestamp": None},
    {"timestamp": -(10**11)},
    {"timestamp": [1]},
    {"email": None},
    {"email": {"a": 1}},
    {"email": ""},
    {"event": 7},
    {"event": None},
    {"rapport_message": 12},
    {"rapport_message": "no id"},
    {"rapport_attempt": "9" * 40},
    {"rapport_attempt": {"a": 1}},
    {"url": "x" * 100_000, "event": "click"},
    {"useragent": ["a"], "event": "open"},
    {"category": ["a"], "status": 5},
    {"sg_machine_open": "yes", "event": "open"},
]


def test_an_odd_event_does_not_spoil_those_beside_it(outbox: Outbox) -> None:
    outbox.message("bert", 50)
    for number, odd in enumerate(ODD):
        outbox.message(f"p{number}", number + 1)
        good = outbox.event("bounce", f"p{number}")
        outbox.store(good, {**outbox.event("bounce", "bert"), **odd}, 7, without_ids(good))
    counts = outbox.drain()
    assert counts.faults == []
    suppressed = {key for (key,) in outbox.rows("select recipient_key from activation.suppressions")}
    assert {KEY.key_of(f"p{number}@mail.example") for number in range(len(ODD))} <= suppressed
    assert {state for name, state in outbox.states().items() if name != "bert"} == {("accepted", "bounced")}


def test_an_event_without_a_time_happened_when_it_came(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.store({**outbox.event("bounce"), "timestamp": None})
    outbox.drain()
    assert outbox.rows("select suppressed_at > now() - interval '1 minute' from activation.suppressions") == [
        (True,)
    ]


def test_with_another_key_nothing_is_drained(outbox: Outbox) -> None:
    outbox.store(outbox.event("bounce", None))
    with pytest.raises(RecipientKeyChanged):
        drain(outbox.connection, RecipientKey(b"f" * 32, "RAPPORT_RECIPIENT_KEY"), NOON)
    assert len(outbox.rows("select from activation.webhook_bodies")) == 1


def test_many_drains_at_once_do_each_body_once(outbox: Outbox, warehouse_url: str) -> None:
    for number in range(60):
        outbox.message(f"p{number}", 1 + number % 7)
        outbox.store(outbox.event("delivered", f"p{number}", number, rapport_attempt=str(1 + number % 7)))

    def work(_: int) -> int:
        with warehouse.connect(warehouse_url, autocommit=True) as connection:
            return drain(connection, KEY, NOON).events

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == 60
    assert set(outbox.states().values()) == {("accepted", "delivered")}


def test_more_bodies_than_fit_one_chunk_are_drained(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapport.delivery.events.CHUNK_BYTES", 600)
    outbox.message("anna")
    for minute in range(10):
        outbox.store(outbox.event("deferred", minute=minute))
    assert outbox.drain().events == 10


def test_of_somebody_who_was_erased_nothing_personal_is_kept(outbox: Outbox) -> None:
    outbox.message("anna")
    outbox.connection.execute(
        "insert into activation.suppressions values (%s, 'all', 'erased', now())",
        [KEY.key_of("anna@mail.example")],
    )
    outbox.store(
        outbox.event("bounce", reason="anna@mail.example is unknown"), outbox.event("open", useragent="Mail")
    )
    outbox.drain()
    assert outbox.rows("select detail, user_agent from activation.message_events") == [(None, None)] * 2


def test_no_address_reaches_a_log(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    outbox.message("anna", state="rejected")
    outbox.store(outbox.event("bounce", reason="anna@mail.example"), outbox.event("bounce", None))
    outbox.store(body=b"stray@mail.example")
    outbox.drain()
    assert "@mail.example" not in caplog.text
    assert KEY.key_of("anna@mail.example") not in caplog.text


def test_events_are_drained_by_the_sender_also_when_nothing_is_to_be_sent(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    assert not anything_due(shop.url, now=MONDAY)
    (message_id,) = shop.execute("select message_id from activation.messages")[0]
    event = {"event": "bounce", "timestamp": 1_782_000_000, "rapport_message": str(message_id)}
    shop.execute("select public_pages.store_webhook(%b)", json.dumps([event]).encode())
    assert anything_due(shop.url, now=MONDAY)
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.execute("select delivery from activation.messages") == [("bounced",)]
    assert not anything_due(shop.url, now=MONDAY)


def test_checklist_5_who_complains_before_the_claim_gets_nothing(shop: SmallShop) -> None:
    """What was stored and not drained yet counts as well: it is drained before each claim."""
    shop.add("anna")
    shop.plan()
    event = {"event": "spamreport", "timestamp": 1_782_000_000, "email": "Anna@mail.example"}
    shop.execute("select public_pages.store_webhook(%b)", json.dumps([event]).encode())
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("skipped", "suppressed")}


def test_checklist_5_who_complains_while_a_sender_renders_gets_nothing(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked around seconds ago, and looks again before it claims."""
    shop.add("anna")
    shop.plan()
    event = {"event": "spamreport", "timestamp": 1_782_000_000, "email": "anna@mail.example"}
    render = sending.render

    def rendering(*arguments: Any, **options: Any) -> Any:
        shop.execute("select public_pages.store_webhook(%b)", json.dumps([event]).encode())
        return render(*arguments, **options)

    monkeypatch.setattr(sending, "render", rendering)
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("skipped", "suppressed")}


def test_people_hear_of_what_a_sender_drained_and_nobody_expected(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[list[str]] = []
    monkeypatch.setattr(sending, "alarm", lambda sentences, _: heard.append(sentences))
    shop.execute("select public_pages.store_webhook(%b)", b"no JSON")
    send_due(shop.url, shop.settings, now=MONDAY)
    assert heard[0][0].startswith("webhook body 1 cannot be read")


def test_a_drain_waits_for_another(outbox: Outbox, warehouse_url: str) -> None:
    """Else a claim could begin while somebody else still reads an unsubscription."""
    outbox.message("anna")
    outbox.store(outbox.event("delivered"))

    def work() -> int:
        with warehouse.connect(warehouse_url, autocommit=True) as connection:
            return drain(connection, KEY, NOON).events

    with ThreadPoolExecutor(1) as threads:
        with outbox.connection.transaction():
            outbox.connection.execute("select pg_advisory_xact_lock(%s)", [DRAIN_LOCK])
            draining = threads.submit(work)
            with pytest.raises(TimeoutError):
                draining.result(0.5)
        assert draining.result(20) == 1
