"""How fast, how many, in which order and under whose eyes mails leave."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from campaigns.small_shop import SERVICE, SmallShop
from delivery.live_shop import EACH_MINUTE, LiveShop
from rapport import warehouse
from rapport.campaigns.decisions import pause
from rapport.delivery import breaker, ramp, rate, senders
from rapport.delivery.again import send_again
from rapport.delivery.editions import anything_due
from rapport.delivery.fake_sendgrid import Fault
from rapport.errors import DecisionRefused, RecipientKeyChanged


def test_tokens_are_shared_and_refill(warehouse_url: str) -> None:
    with warehouse.connect(warehouse_url, autocommit=True) as connection:
        assert rate.take(connection, "sendgrid", 300, 200) == (200, 0)
        granted, seconds = rate.take(connection, "sendgrid", 150, 200)
        assert granted < 100
        assert granted > 0 or 0 < seconds <= 0.75
        time.sleep(0.6)
        assert 100 <= rate.take(connection, "sendgrid", 300, 200)[0] <= 200
        assert rate.take(connection, "smtp", 10, 0.5) == (1, 0)
        rate.block(connection, "smtp", datetime.now(UTC) + timedelta(seconds=30))
        granted, seconds = rate.take(connection, "smtp", 10, 1000)
        assert granted == 0
        assert 25 < seconds <= 30


def test_no_more_leaves_than_the_rate_lets(live: LiveShop) -> None:
    live.configure(per_second=40)
    live.people(100)
    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: live.send(), range(2)))
    assert live.states() == {"accepted": 100}
    assert time.monotonic() - began > (100 - 40) / 40 * 0.95
    times = sorted(mail.at for mail in live.fake.log())
    for first in times:
        assert sum(first <= at < first + 1 for at in times) <= 2 * 40


def test_a_pause_stops_new_requests_within_a_second(live: LiveShop) -> None:
    live.people(3000)
    live.fake.set_faults(Fault("late", seconds=0.1))
    sending = threading.Thread(target=live.send)
    sending.start()
    while not live.fake.log():
        time.sleep(0.02)
    with warehouse.connect(live.shop.url) as connection:
        pause(connection, None, by="me", reason="stop")
    paused_at = time.time()
    sending.join(60)
    assert not sending.is_alive()
    asked = [asked.at for asked in live.fake.requests()]
    assert max(asked) < paused_at + 1
    states = live.states()
    assert states["accepted"] == len(live.accepted())
    assert states["planned"] == 3000 - states["accepted"] > 0
    assert set(states) == {"accepted", "planned"}
    live.fake.set_faults()
    live.resume(None)
    live.send()
    assert live.states() == {"accepted": 3000}
    assert len(live.accepted()) == len(set(live.accepted())) == 3000


def test_an_unconfirmed_or_expired_consent_is_none(live: LiveShop) -> None:
    live.people(3)
    live.configure(more="topics: {news: {double_opt_in: true}}")
    live.shop.execute("update marts.consents set confirmed_at = now() where email <> 'c1@mail.example'")
    live.shop.execute("update marts.consents set expires_at = now() where email = 'c2@mail.example'")
    live.send()
    assert live.shop.messages() == {
        "c1": ("skipped", "no_consent"),
        "c2": ("skipped", "no_consent"),
        "c3": ("accepted", None),
    }


def test_who_reached_the_goal_since_planning_gets_no_mail(live: LiveShop) -> None:
    live.shop.write("campaigns/weekly.yml", EACH_MINUTE)
    live.people(2)
    goal = '{"event": "order", "within": "14d", "return_period": "14d"}'
    live.shop.execute(
        f"""
        update activation.editions
        set specification = jsonb_set(specification, '{{campaign,goal}}', '{goal}')
        """
    )
    live.shop.execute("update marts.customers set last_order_at = now() where customer_id = 'c1'")
    live.send()
    assert live.shop.messages() == {"c1": ("skipped", "goal_reached"), "c2": ("accepted", None)}


def test_who_is_out_of_their_hours_waits_until_they_open(live: LiveShop) -> None:
    live.people(2)
    # Wherever it is about noon now the window is open, and on the other side of the world it is closed.
    now = datetime.now(UTC)
    noon, midnight = (f"Etc/GMT{-hours:+d}" for hours in (12 - now.hour, (24 - now.hour + 12) % 24 - 12))
    window = (
        f'{{"opens": "10:00", "closes": "15:00", "fallback_time_zone": "{noon}", '
        '"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}'
    )
    live.shop.execute(
        f"""
        update activation.editions
        set specification = jsonb_set(specification, '{{campaign,window}}', '{window}')
        """
    )
    live.shop.execute("update marts.customers set time_zone = %s where customer_id = 'c1'", midnight)
    live.send()
    assert live.shop.messages() == {"c1": ("planned", None), "c2": ("accepted", None)}
    ((due_at,),) = live.shop.execute("select due_at from activation.messages where customer_id = 'c1'")
    assert due_at.replace(minute=0, second=0, microsecond=0) == due_at
    assert due_at.astimezone(ZoneInfo(midnight)).hour == 10
    assert now < due_at < now + timedelta(days=1)
    assert not anything_due(live.shop.url, now=datetime.now(UTC))


def test_who_has_trouble_with_our_service_is_looked_at_again_in_a_quarter_of_an_hour(live: LiveShop) -> None:
    live.people(2)
    live.shop.execute(SERVICE)
    live.shop.execute(
        """
        insert into marts.tickets (customer_id, is_open) values ('c1', true);
        update activation.editions
        set specification = jsonb_set(specification, '{campaign,service_hold}', '{"rule": "wait"}');
        """
    )
    now = datetime.now(UTC)
    live.send()
    assert live.shop.messages() == {"c1": ("planned", None), "c2": ("accepted", None)}
    ((due_at,),) = live.shop.execute("select due_at from activation.messages where customer_id = 'c1'")
    assert timedelta(minutes=14) < due_at - now < timedelta(minutes=16)
    live.shop.execute("update marts.tickets set is_open = false")
    live.shop.execute("update activation.messages set due_at = now()")
    live.send()
    assert live.shop.messages()["c1"] == ("accepted", None)


@pytest.mark.parametrize(("withdrawing", "requests"), [(15, 15), (5, 1)])
def test_too_few_left_of_a_shell_go_one_by_one(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch, withdrawing: int, requests: int
) -> None:
    live.configure(render="shape")
    live.people(30)
    take = rate.take

    def withdraw_and_take(*arguments: Any) -> tuple[int, float]:
        live.shop.execute(
            """
            insert into activation.suppressions (recipient_key, topic, reason, suppressed_at)
            select recipient_key, 'news', 'unsubscribed', now() from activation.recipients
            order by 1 limit %s
            on conflict do nothing
            """,
            withdrawing,
        )
        return take(*arguments)

    monkeypatch.setattr(rate, "take", withdraw_and_take)
    counts = live.send()
    assert (counts.accepted, counts.skipped) == (30 - withdrawing, withdrawing)
    assert len(live.fake.requests()) == requests
    assert len(set(live.accepted())) == 30 - withdrawing
    noted = live.shop.execute("select outcome, messages from activation.attempts order by attempt_id")
    assert noted == ([("divided", 15)] + [("accepted", 1)] * 15 if requests > 1 else [("accepted", 25)])


def test_no_more_than_the_days_maximum_leaves(live: LiveShop) -> None:
    live.people(30)
    live.shop.execute(
        """
        update activation.editions
        set specification = jsonb_set(specification, '{campaign,limits}', '{"per_day": 12}')
        """
    )
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: live.send(), range(3)))
    assert live.states() == {"accepted": 12, "planned": 18}
    live.shop.execute("update activation.attempts set claimed_at = claimed_at - interval '1 day'")
    live.send()
    assert live.states() == {"accepted": 24, "planned": 6}


def test_while_domains_are_allowed_nobody_else_gets_mail(live: LiveShop) -> None:
    live.people(3)
    for table in ("activation.recipients", "marts.consents"):
        live.shop.execute(f"update {table} set email = 'c1@Ours.example' where email = 'c1@mail.example'")
    live.configure(more="allow_recipients: [ours.example]")
    live.send()
    assert live.accepted() == ["c1@Ours.example"]
    assert live.states() == {"accepted": 1, "planned": 2}
    live.configure()
    live.send()
    assert live.states() == {"accepted": 3}


def test_a_large_edition_sends_two_percent_first(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramp, "LARGE", 100)
    live.people(150)
    live.send()
    assert live.states() == {"accepted": 3, "planned": 147}
    live.send()
    assert live.states() == {"accepted": 3, "planned": 147}
    event_of_one(live, "delivered")
    later(live, minutes=29)
    live.send()
    assert live.states() == {"accepted": 3, "planned": 147}
    later(live, minutes=1)
    live.send()
    assert live.states() == {"accepted": 150}


def test_a_first_share_without_events_holds_the_campaign_until_a_person_resumes(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ramp, "LARGE", 100)
    live.people(150)
    live.send()
    live.send()
    later(live, minutes=30)
    live.send()
    assert live.edition() == (
        "held",
        "sending: no event came back for the first 3 mails; look at the webhook",
    )
    assert live.states() == {"accepted": 3, "planned": 147}
    live.resume()
    live.send()
    assert live.states() == {"accepted": 150}


def test_a_first_share_that_bounces_holds_the_campaign(
    live: LiveShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ramp, "LARGE", 100)
    live.people(150)
    live.send()
    live.send()
    later(live, minutes=30)
    event_of_one(live, "bounced", "hard")
    live.send()
    assert live.edition() == ("held", "sending: 1 of the first 3 mails bounced for good")


def test_the_local_mailbox_has_no_ramp(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramp, "LARGE", 3)
    from campaigns.small_shop import MONDAY
    from rapport.delivery.outbox import send_due

    for number in range(5):
        shop.add(f"p{number}")
    shop.plan()
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 5


def later(live: LiveShop, minutes: int) -> None:
    """As if the first share had left so much earlier."""
    live.shop.execute(
        "update activation.editions set ramp_sent_at = ramp_sent_at - make_interval(mins => %s)", minutes
    )


def event_of_one(live: LiveShop, event: str, kind: str | None = None) -> None:
    live.shop.execute(
        """
        insert into activation.message_events (message_id, event, occurred_at, class)
        select message_id, %s, now(), %s from activation.messages where state = 'accepted' limit 1
        """,
        event,
        kind,
    )


@pytest.mark.parametrize(
    ("delivered", "complained", "bounced", "domain", "fault"),
    [
        (997, 3, 0, "mail.example", "3 complaints about 1000 delivered mails"),
        (2000, 3, 0, "mail.example", None),
        (100, 2, 0, "mail.example", None),
        (997, 3, 0, "gmail.com", None),
        (90, 0, 10, "gmail.com", "10 of 100 mails bounced for good"),
        (300, 0, 10, "mail.example", None),
    ],
)
def test_the_circuit_breaker(
    live: LiveShop, delivered: int, complained: int, bounced: int, domain: str, fault: str | None
) -> None:
    live.people(delivered + complained + bounced + 1)
    live.shop.execute("update activation.recipients set email = replace(email, 'mail.example', %s)", domain)
    live.shop.execute("update marts.consents set email = replace(email, 'mail.example', %s)", domain)
    for state, count in (("delivered", delivered), ("complained", complained), ("bounced", bounced)):
        live.shop.execute(
            """
            update activation.messages set state = 'accepted', delivery = %s, claimed_at = now()
            where message_id in (
                select message_id from activation.messages where state = 'planned' order by 1 limit %s
            )
            """,
            state,
            count,
        )
    live.shop.execute(
        """
        insert into activation.message_events (message_id, event, class, occurred_at)
        select message_id, 'bounced', 'hard', now() from activation.messages where delivery = 'bounced'
        """
    )
    with warehouse.connect(live.shop.url) as connection:
        assert breaker.fault(connection, "weekly") == fault
    live.send()
    assert live.edition()[0] == ("held" if fault else "done")
    if fault:
        assert live.edition() == ("held", f"sending: {fault}")
        live.resume()
        live.send()
        assert live.edition() == ("done", None)


def test_uncertain_becomes_unknown_after_an_hour_while_others_events_come(live: LiveShop) -> None:
    live.people(4)
    live.fake.set_faults(Fault("reset", after_accepting=True, times=1))
    live.send()
    assert live.states() == {"accepted": 3, "uncertain": 1}
    passed = "update activation.attempts set ended_at = ended_at - %s::interval where outcome = 'uncertain'"
    live.shop.execute(passed, "61 minutes")
    assert not anything_due(live.shop.url, now=datetime.now(UTC))
    live.send()
    assert live.states() == {"accepted": 3, "uncertain": 1}  # no event of anybody: the webhook may be down
    event_of_one(live, "delivered")
    live.shop.execute(passed, "-2 minutes")
    live.send()
    assert live.states() == {"accepted": 3, "uncertain": 1}  # an event of another, but it is no hour yet
    live.shop.execute(passed, "2 minutes")
    live.shop.execute("update activation.message_events set recorded_at = now() - interval '62 minutes'")
    live.send()
    assert live.states() == {"accepted": 3, "uncertain": 1}  # that event came before: nothing flows since
    live.shop.execute("update activation.message_events set recorded_at = now()")
    assert anything_due(live.shop.url, now=datetime.now(UTC))
    live.send()
    assert live.states() == {"accepted": 3, "unknown": 1}
    assert len(live.accepted()) == 4


def test_a_person_may_send_again_what_is_unknown(live: LiveShop) -> None:
    live.people(2)
    live.fake.set_faults(Fault("reset", times=1))
    live.send()
    ((edition,),) = live.shop.execute("select edition_id from activation.editions")
    with warehouse.connect(live.shop.url) as connection:
        assert send_again(connection, edition, by="me") == 0  # uncertain is not unknown yet
    live.shop.execute("update activation.messages set state = 'unknown' where state = 'uncertain'")
    live.shop.execute("update activation.messages set expires_at = now() - interval '1 hour'")
    with warehouse.connect(live.shop.url) as connection:
        assert send_again(connection, edition, by="me") == 1
    live.send()
    assert live.states() == {"accepted": 2}
    assert live.edition() == ("done", None)
    assert live.shop.execute("select sent_again_by from activation.resends") == [("me",)]
    live.shop.execute("update activation.editions set state = 'cancelled'")
    with warehouse.connect(live.shop.url) as connection, pytest.raises(DecisionRefused):
        send_again(connection, edition, by="me")


def test_many_are_sent_by_processes_of_their_own(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "FEW", 100)
    live.configure(render="shape")
    live.people(400)
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key)
    counts = senders.send_due(live.shop.url, settings, now=datetime.now(UTC))
    assert counts.accepted == 400
    assert len(set(live.accepted())) == len(live.accepted()) == 400
    assert live.shop.execute("select count(distinct sender) from activation.attempts") == [(2,)]
    assert live.edition() == ("done", None)


def test_what_stops_a_process_reaches_who_started_it(live: LiveShop) -> None:
    live.people(2)
    settings = replace(live.shop.settings, sendgrid_api_key=live.fake.key, recipient_key="another" * 5)
    with pytest.raises(RecipientKeyChanged, match="recipient key"):
        senders.send_in_processes(live.shop.url, settings, now=datetime.now(UTC), processes=2)


def test_no_log_shows_key_or_address_at_debug(live: LiveShop, caplog: pytest.LogCaptureFixture) -> None:
    live.people(30)
    live.fake.set_faults(
        Fault("named", recipients="^c3@", times=1), Fault("status", status=401, recipients="^c5@", times=1)
    )
    with caplog.at_level(logging.DEBUG):
        live.send()
    assert live.fake.requests()
    assert live.fake.key not in caplog.text
    assert "mail.example" not in caplog.text
    noted = live.shop.execute("select coalesce(string_agg(detail, ' '), '') from activation.attempts")
    assert "mail.example" not in noted[0][0]


def test_two_campaigns_and_a_cap_of_one_with_many_senders(live: LiveShop) -> None:
    capped(live, people=600, senders=4)


@pytest.mark.long
def test_two_campaigns_and_a_cap_of_one_with_many_senders_and_30_000_people(live: LiveShop) -> None:
    capped(live, people=30_000, senders=8)


def capped(live: LiveShop, people: int, senders: int) -> None:
    live.configure(render="shape", more="caps: {marketing: {messages: 2, per: 7d}}")
    live.people(people, campaigns=("one", "two"))
    live.configure(render="shape", more="caps: {marketing: {messages: 1, per: 7d}}")
    live.shop.execute("update activation.editions set ramp_passed_at = now(), ramp_sent_at = now()")
    with ThreadPoolExecutor(senders) as threads:
        list(threads.map(lambda _: live.send(), range(senders)))
    live.send()
    accepted = live.accepted()
    assert len(accepted) == len(set(accepted)) == people
    assert live.states() == {"accepted": people, "skipped": people}
    over = live.shop.execute(
        """
        select recipient_key from activation.messages where state = 'accepted'
        group by recipient_key having count(*) > 1
        """
    )
    assert over == []
    assert live.shop.execute(
        "select distinct state_reason from activation.messages where state = 'skipped'"
    ) == [("frequency_cap",)]


def test_the_counting_statement_sees_what_was_committed_while_it_waited(live: LiveShop) -> None:
    """Both claims begin before either has written: the lock is what keeps the second from counting early."""
    live.configure(more="caps: {marketing: {messages: 2, per: 7d}}")
    live.people(1, campaigns=("one", "two"))
    live.configure(more="caps: {marketing: {messages: 1, per: 7d}}")
    with psycopg.connect(live.shop.url) as blocker:
        blocker.execute("select from activation.recipients for update")
        live.send()
        assert live.states() == {"planned": 2}
    live.send()
    assert live.states() == {"accepted": 1, "skipped": 1}
