"""Every message once, through any crash, and nobody who should not get it any more."""

import email
import email.policy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, WELCOME, SmallShop
from campaigns.test_arms import crowd
from rapport import steps, warehouse
from rapport.audiences.recipients import RecipientKey
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.conditions import customer_columns
from rapport.campaigns.configuration import read_campaigns
from rapport.delivery import attempts, outbox
from rapport.delivery.chunks import Worker
from rapport.delivery.claim import Candidate, Claimed, attempt_ids, claim
from rapport.delivery.claim_statement import Claiming
from rapport.delivery.configuration import Delivery, FrequencyCap
from rapport.delivery.editions import anything_due
from rapport.delivery.outbox import send_due
from rapport.delivery.quotas import left_today
from rapport.delivery.transports import sendgrid_client
from rapport.delivery.transports.local import LocalMailbox
from rapport.errors import ConfigurationError

CAP_OF_ONE = Delivery(caps={"marketing": FrequencyCap(messages=1, per=7 * DAY)})


def claim_all(
    connection: psycopg.Connection,
    shop: SmallShop,
    campaign: Campaign,
    delivery: Delivery,
    *,
    edition: str | None = None,
    moment: datetime = MONDAY,
) -> Claimed:
    """Claim what of an edition, the campaign's Monday one unless told, is planned, for one attempt."""
    edition = edition or f"{campaign.name}/2026-06-29T09:00:00Z"
    planned = shop.execute(
        """
        select message_id, recipient_key from activation.messages
        where edition_id = %s and state = 'planned'
        """,
        edition,
    )
    (attempt_id,) = attempt_ids(connection, 1)
    candidates = [Candidate(message_id, key, attempt_id) for message_id, key in planned]
    claiming = Claiming(
        edition, None, campaign, delivery, "local", sender=1, columns=customer_columns(connection)
    )
    return claim(connection, claiming, candidates, moment=moment)


def of_campaign(shop: SmallShop, campaign: str) -> dict[str, tuple[str, str | None]]:
    """(state, reason) of the messages of a campaign, by customer."""
    rows = shop.execute(
        "select customer_id, state, state_reason from activation.messages where campaign = %s", campaign
    )
    return {customer: (state, reason) for customer, state, reason in rows}


def test_what_is_approved_and_due_arrives_once(shop: SmallShop) -> None:
    for name in ("anna", "bert"):
        shop.add(name, first_name=name.title())
    shop.plan()
    assert not anything_due(shop.url, now=MONDAY - timedelta(seconds=1))
    assert send_due(shop.url, shop.settings, now=MONDAY - timedelta(seconds=1)).accepted == 0
    assert anything_due(shop.url, now=MONDAY)
    counts = send_due(shop.url, shop.settings, now=MONDAY)
    assert (counts.accepted, counts.skipped, counts.expired, counts.held) == (2, 0, 0, [])
    # The local mailbox sends as of any day; what comes after it (journeys, results) goes by that.
    assert shop.execute("select distinct claimed_at, accepted_at from activation.messages") == [
        (MONDAY, MONDAY)
    ]
    mails = shop.mails()
    assert send_due(shop.url, shop.settings, now=MONDAY + DAY).accepted == 0
    assert shop.mails() == mails
    assert not anything_due(shop.url, now=MONDAY)
    assert shop.messages() == {"anna": ("accepted", None), "bert": ("accepted", None)}
    assert shop.editions() == {"weekly/2026-06-29T09:00:00Z": ("done", None)}
    parsed = [email.message_from_bytes(mail, policy=email.policy.default) for mail in mails.values()]
    assert sorted(mail["To"] for mail in parsed) == ["anna@mail.example", "bert@mail.example"]
    assert sorted(mail["Subject"] for mail in parsed) == ["News for Anna", "News for Bert"]


def test_a_held_edition_is_never_sent(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute("update activation.editions set state = 'held'")
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 0
    assert shop.messages() == {"anna": ("planned", None)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update marts.consents set is_granted = false", "no_consent"),
        (
            """
            insert into activation.suppressions
            select recipient_key, 'news', 'x', now() from activation.recipients
            """,
            "suppressed",
        ),
        (
            """
            insert into activation.suppressions
            select recipient_key, 'all', 'x', now() from activation.recipients
            """,
            "suppressed",
        ),
        ("update marts.consents set channel = 'sms'", "no_consent"),
        ("delete from segments.members where segment = 'active'", "no_longer_matches"),
        ("insert into segments.members values ('unhappy', 'anna', 'x')", "no_longer_matches"),
    ],
)
def test_what_changed_since_planning_is_heeded(shop: SmallShop, change: str, reason: str) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute(change)
    assert send_due(shop.url, shop.settings, now=MONDAY).skipped == 1
    assert shop.messages() == {"anna": ("skipped", reason)}
    assert shop.mails() == {}


@pytest.mark.parametrize(
    "change",
    [
        """
        insert into activation.suppressions
        select recipient_key, 'offers', 'x', now() from activation.recipients
        """,
        """
        with confirmed as (update marts.consents set confirmed_at = now())

        insert into activation.suppressions
        select recipient_key, 'news', 'x', now() - interval '1 day' from activation.recipients
        """,
        "update marts.consents set is_granted = false where topic = 'offers'",
    ],
    ids=["another topic is suppressed", "a consent confirmed since", "consent for another topic is gone"],
)
def test_what_does_not_concern_the_mail_stops_nobody(shop: SmallShop, change: str) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute(change)
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 1


def test_a_campaign_on_entering_asks_again_whether_they_are_still_in(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME + "audience: {include: [active]}\n")
    shop.add("anna", segments=("active", "new_customers"))
    shop.plan()
    shop.leave("anna", "new_customers")
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("skipped", "no_longer_matches")}


def test_the_cap_holds_at_the_last_moment_too(shop: SmallShop) -> None:
    shop.write("campaigns/second.yml", WEEKLY)
    shop.add("anna")
    shop.plan()
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    counts = send_due(shop.url, shop.settings, now=MONDAY)
    assert (counts.accepted, counts.skipped) == (1, 1)
    assert len(shop.mails()) == 1


def test_the_cap_counts_what_was_sent_or_may_have_been(shop: SmallShop) -> None:
    shop.write("campaigns/second.yml", WEEKLY)
    counted = ("sending", "accepted", "uncertain", "unknown")
    others = ("rejected", "skipped", "expired", "cancelled")
    for state in (*counted, *others):
        shop.add(state)
    shop.plan()
    shop.execute("update activation.messages set state = customer_id where campaign = 'weekly'")
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    send_due(shop.url, shop.settings, now=MONDAY)
    assert of_campaign(shop, "second") == {
        **dict.fromkeys(counted, ("skipped", "frequency_cap")),
        **dict.fromkeys(others, ("accepted", None)),
    }


def test_the_cap_holds_in_any_period_of_its_length(shop: SmallShop) -> None:
    shop.write("campaigns/second.yml", WEEKLY)
    days = {"week_before": -7, "six_days_before": -6, "six_days_after": 6, "week_after": 7}
    for name in days:
        shop.add(name)
    shop.plan()
    for name, number in days.items():
        shop.execute(
            """
            update activation.messages set state = 'accepted', due_at = %s
            where campaign = 'weekly' and customer_id = %s
            """,
            MONDAY + number * DAY,
            name,
        )
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    send_due(shop.url, shop.settings, now=MONDAY)
    assert of_campaign(shop, "second") == {
        name: ("accepted", None) if abs(number) == 7 else ("skipped", "frequency_cap")
        for name, number in days.items()
    }


def test_each_class_has_a_cap_of_its_own(shop: SmallShop) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}, service: {messages: 1, per: 7d}}")
    shop.write("campaigns/second.yml", WEEKLY + "cap: service\n")
    shop.add("anna")
    assert [edition.planned for edition in shop.plan()] == [1, 1]
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 2


def test_a_mail_that_is_too_late_is_dropped(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    counts = send_due(shop.url, shop.settings, now=MONDAY + 2 * DAY + timedelta(seconds=1))
    assert (counts.accepted, counts.expired) == (0, 1)
    assert shop.messages() == {"anna": ("expired", "too_late")}
    assert shop.editions() == {"weekly/2026-06-29T09:00:00Z": ("done", None)}


def test_people_merged_after_planning_get_one_mail(shop: SmallShop) -> None:
    shop.add("anna")
    shop.add("anne")
    run = shop.run()
    shop.plan(run=run)
    shop.leave("anne", "active")
    shop.merge("anne", "anna", run)
    send_due(shop.url, shop.settings, now=MONDAY)
    assert sorted(shop.messages().values()) == [("accepted", None), ("skipped", "merged")]
    assert len(shop.mails()) == 1


@pytest.mark.parametrize(
    ("re_entry", "reason"),
    [("never", "merged"), ("7d", "merged"), ("1d", None)],
    ids=lambda value: str(value),
)
def test_a_person_merged_between_plan_and_send_gets_no_second_welcome(
    shop: SmallShop, re_entry: str, reason: str | None
) -> None:
    """Anna was welcomed; Anne's welcome is planned; then they turn out to be one."""
    shop.write("campaigns/weekly.yml", WELCOME + f"re_entry: {re_entry}\n")
    shop.add("anna", segments=("new_customers",))
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    shop.add("anne", segments=("new_customers",), entered_at=MONDAY + 2 * DAY)
    run = shop.run(MONDAY + 2 * DAY)
    shop.plan(run=run)
    assert shop.messages()["anne"] == ("planned", None)
    shop.leave("anna", "new_customers")
    shop.merge("anna", "anne", run)
    send_due(shop.url, shop.settings, now=MONDAY + 2 * DAY)
    assert shop.messages()["anne"] == (("skipped", reason) if reason else ("accepted", None))


def test_of_a_merged_person_two_senders_claim_one_mail(shop: SmallShop) -> None:
    """Anna's welcome did not leave in time, Anne's is due; then they turn out to be one."""
    shop.write("campaigns/weekly.yml", WELCOME)
    for name, entered_at in (("anna", MONDAY), ("anne", MONDAY + DAY)):
        shop.add(name, segments=("new_customers",), entered_at=entered_at)
        run = shop.run(entered_at)
        shop.plan(run=run)
    shop.execute("update activation.editions set state = 'sending'")
    shop.leave("anna", "new_customers")
    shop.merge("anna", "anne", run)
    (campaign,) = read_campaigns(shop.settings).good
    of_anna, of_anne = sorted(shop.editions())

    def claimed(connection: psycopg.Connection, edition: str) -> int:
        outcome = claim_all(connection, shop, campaign, Delivery(), edition=edition, moment=MONDAY + DAY)
        return len(outcome.message_ids)

    with psycopg.connect(shop.url) as first, psycopg.connect(shop.url, autocommit=True) as second:
        assert claimed(second, of_anne) == 0
        assert shop.messages()["anne"] == ("planned", None)
        assert claimed(first, of_anna) == 1
        assert claimed(second, of_anne) == 0
        first.commit()
        assert claimed(second, of_anne) == 0
    assert shop.messages() == {"anna": ("sending", None), "anne": ("skipped", "merged")}


def test_one_who_does_not_render_is_skipped_and_the_others_get_it(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY.replace("customer.first_name or 'you'", "customer.first_name"))
    shop.add("anna", first_name="Anna")
    shop.add("bert")
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    assert shop.messages() == {"anna": ("accepted", None), "bert": ("skipped", "render_error")}


def test_many_who_do_not_render_hold_the_edition(shop: SmallShop, caplog: pytest.LogCaptureFixture) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY.replace("customer.first_name or 'you'", "customer.first_name"))
    for number in range(20):
        shop.add(f"person{number}", first_name="Same")
    shop.plan()
    shop.execute("update marts.customers set first_name = null where customer_id < 'person14'")
    counts = send_due(shop.url, shop.settings, now=MONDAY)
    assert counts.held == ["weekly/2026-06-29T09:00:00Z"]
    assert shop.editions() == {"weekly/2026-06-29T09:00:00Z": ("held", "render_errors: 6 of 20")}
    assert "mail.example" not in caplog.text
    assert "Same" not in caplog.text
    # Nobody of the chunk got it; mended and planned afresh, all do.
    assert shop.mails() == {}
    shop.execute("update marts.customers set first_name = 'Same'")
    shop.plan(MONDAY + timedelta(hours=1))
    assert send_due(shop.url, shop.settings, now=MONDAY + timedelta(hours=1)).accepted == 20
    assert len(shop.mails()) == 20


def test_an_edit_after_planning_waits_for_a_new_plan(shop: SmallShop) -> None:
    shop.add("anna", first_name="Anna")
    shop.plan()
    shop.write("campaigns/weekly.yml", WEEKLY.replace("News", "Changed"))
    shop.write("templates/letter.mjml", "broken {{")
    send_due(shop.url, shop.settings, now=MONDAY)
    (mail,) = shop.mails().values()
    assert b"Subject: News for Anna" in mail


def test_a_plan_that_this_version_refuses_is_held_and_stops_no_other(shop: SmallShop) -> None:
    shop.write("campaigns/first.yml", WEEKLY + "priority: 9\n")
    shop.add("anna")
    shop.plan()
    shop.execute(
        """
        update activation.editions
        set specification = jsonb_set(specification, '{campaign,source}', '"{{ customer.email.upper() }}"')
        where campaign = 'first'
        """
    )
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 1
    assert {edition: state for edition, (state, _) in shop.editions().items()} == {
        "first/2026-06-29T09:00:00Z": "held",
        "weekly/2026-06-29T09:00:00Z": "done",
    }


def test_an_edition_whose_cap_class_is_gone_is_held_and_stops_no_other(shop: SmallShop) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 2, per: 7d}, service: {messages: 1, per: 7d}}")
    shop.write("campaigns/first.yml", WEEKLY + "priority: 9\ncap: service\n")
    shop.add("anna")
    shop.plan()
    shop.write("delivery.yml", "caps: {marketing: {messages: 2, per: 7d}}")
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 1
    assert shop.editions() == {
        "first/2026-06-29T09:00:00Z": ("held", "no_cap_class: config/delivery.yml does not name service"),
        "weekly/2026-06-29T09:00:00Z": ("done", None),
    }


def test_the_more_important_campaign_leaves_first(shop: SmallShop) -> None:
    shop.write("campaigns/another.yml", WEEKLY)
    shop.write("campaigns/weekly.yml", WEEKLY + "priority: 1\n")
    shop.add("anna")
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    order = shop.execute("select split_part(edition_id, '/', 1) from activation.attempts order by attempt_id")
    assert order == [("weekly",), ("another",)]


@pytest.mark.parametrize("why", ["time is up", "who started it is gone"])
def test_nothing_is_claimed_by_a_sender_whose_time_is_up(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    assert outbox.CLAIMING + 2 * sendgrid_client.ANSWERED_BY <= 600, "a call ends within ten minutes"
    shop.add("anna")
    shop.plan()
    with monkeypatch.context() as patched:
        if why == "time is up":
            patched.setattr(outbox, "CLAIMING", -1.0)
        else:
            parents = iter([1])
            patched.setattr(os, "getppid", lambda: next(parents, 2))
        assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 0
    assert shop.messages() == {"anna": ("planned", None)}
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 1


def test_a_claim_is_on_disk_before_its_mail_leaves_whatever_the_server_says(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = shop.url.rpartition("/")[2]
    shop.execute(f"alter database {name} set synchronous_commit = off")
    said: list[str] = []

    def looking(connection: psycopg.Connection, *_: Any) -> Iterator[Any]:
        said.append(connection.execute("show synchronous_commit").fetchone()[0])  # type: ignore[index]
        return iter(())

    monkeypatch.setattr(outbox, "due_editions", looking)
    send_due(shop.url, shop.settings, now=MONDAY)
    assert said == ["on"]


def test_sending_waits_for_no_run_and_times_out_what_nobody_approved(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_HOME", str(shop.settings.home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(shop.settings.config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", shop.url)
    shop.write("campaigns/second.yml", WEEKLY + "approval: true\napproval_within: 2h\n")
    shop.add("anna")
    shop.plan()
    with warehouse.run_lock(shop.url):
        steps.send_due("send_due", None, now=MONDAY + timedelta(hours=3))
    assert shop.editions() == {
        "second/2026-06-29T09:00:00Z": ("cancelled", "not_approved"),
        "weekly/2026-06-29T09:00:00Z": ("done", None),
    }
    assert of_campaign(shop, "second") == {"anna": ("cancelled", "not_approved")}


def test_a_cap_of_one_holds_between_two_campaigns_that_claim_at_once(shop: SmallShop) -> None:
    shop.write("campaigns/second.yml", WEEKLY)
    shop.add("anna")
    shop.plan()
    campaigns = {campaign.name: campaign for campaign in read_campaigns(shop.settings).good}
    shop.execute("update activation.editions set state = 'sending'")

    def claimed(connection: psycopg.Connection, name: str) -> tuple[int, int]:
        batch = claim_all(connection, shop, campaigns[name], CAP_OF_ONE)
        return len(batch.message_ids), batch.skipped

    with psycopg.connect(shop.url) as one, psycopg.connect(shop.url, autocommit=True) as other:
        one.execute("select")  # begins a transaction, which the claim then does not commit
        assert claimed(one, "weekly") == (1, 0)
        assert claimed(other, "second") == (0, 0)  # the recipient is locked, and the count not known yet
        one.commit()
        assert claimed(other, "second") == (0, 1)


def test_what_did_not_leave_does_not_count_for_the_day(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "limits: {per_day: 100}\n")
    shop.add("anna")
    shop.plan()
    outcomes = {
        None: 1,
        "accepted": 2,
        "uncertain": 4,
        "unknown": 8,
        "returned": 16,
        "divided": 16,
        "rejected": 16,
    }
    for outcome, messages in outcomes.items():
        shop.execute(
            """
            insert into activation.attempts (edition_id, transport, messages, outcome, ended_at)
            select edition_id, 'sendgrid', %s, %s, case when %s::text is not null then now() end
            from activation.editions
            """,
            messages,
            outcome,
            outcome,
        )
    (campaign,) = read_campaigns(shop.settings).good
    with warehouse.connect(shop.url) as connection:
        assert left_today(connection, campaign) == 100 - (1 + 2 + 4 + 8)
        connection.execute("update activation.attempts set claimed_at = claimed_at - interval '1 day'")
        assert left_today(connection, campaign) == 100


def test_the_days_maximum_is_counted_by_one_claim_at_a_time(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "limits: {per_day: 2}\n")
    for name in ("anna", "bert", "carl"):
        shop.add(name)
    shop.plan()
    (campaign,) = read_campaigns(shop.settings).good
    shop.execute("update activation.editions set state = 'sending'")
    shop.execute("update activation.messages set due_at = %s", MONDAY)
    with psycopg.connect(shop.url) as one, psycopg.connect(shop.url, autocommit=True) as other:
        one.execute("select")
        assert len(claim_all(one, shop, campaign, Delivery()).message_ids) == 2
        other.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            claim_all(other, shop, campaign, Delivery())
        one.commit()
        assert claim_all(other, shop, campaign, Delivery()) == Claimed()


def test_an_edition_held_while_it_is_being_sent_is_claimed_no_further(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute("update activation.editions set state = 'held'")
    (campaign,) = read_campaigns(shop.settings).good
    with psycopg.connect(shop.url, autocommit=True) as connection:
        assert claim_all(connection, shop, campaign, CAP_OF_ONE) == Claimed()
    assert shop.messages() == {"anna": ("planned", None)}


def test_an_attempts_end_reads_no_messages_but_its_own(shop: SmallShop) -> None:
    """Whatever the server believes to know: when it last looked, nobody had an attempt."""
    crowd(shop, 1_000)
    shop.plan()
    shop.execute("analyze activation.messages")
    with psycopg.connect(shop.url) as connection:
        connection.execute(
            """
            insert into activation.attempts (attempt_id, edition_id, transport, messages, claimed_at)
            overriding system value
            select attempt_id, edition_id, 'sendgrid', 500, now()
            from activation.editions
            cross join (values (1), (2)) as attempts (attempt_id);

            update activation.messages
            set
                state = 'sending',
                claimed_at = now(),
                attempt_id = case when customer_id <= 'p0010' then 1 else 2 end
            where state = 'planned'
            """
        )
        before = rows_read(connection)
        attempts.end(connection, [attempts.Ended(1, "accepted", status=202)])
        assert rows_read(connection) - before < 50
    assert list(shop.messages().values()).count(("accepted", None)) == 10


def rows_read(connection: psycopg.Connection) -> int:
    """Of activation.messages, by this transaction."""
    row = connection.execute(
        """
        select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
        where schemaname = 'activation' and relname = 'messages'
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("campaign", ["weekly", None])
def test_a_pause_stops_the_next_claim(shop: SmallShop, campaign: str | None) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute("insert into activation.pauses (campaign, paused_by) values (%s, 'me')", campaign)
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 0
    assert shop.messages() == {"anna": ("planned", None)}
    assert shop.execute("select * from activation.attempts") == []
    shop.execute("update activation.pauses set resumed_at = now()")
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 1


@pytest.mark.parametrize(("paused", "claimed"), [("weekly", 0), (None, 0), ("another", 1)])
def test_the_claim_looks_for_pauses_itself(shop: SmallShop, paused: str | None, claimed: int) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute("update activation.editions set state = 'sending'")
    shop.execute("insert into activation.pauses (campaign, paused_by) values (%s, 'me')", paused)
    (campaign,) = read_campaigns(shop.settings).good
    with psycopg.connect(shop.url, autocommit=True) as connection:
        assert len(claim_all(connection, shop, campaign, CAP_OF_ONE).message_ids) == claimed
    assert shop.messages() == {"anna": ("sending" if claimed else "planned", None)}


def test_without_a_key_nothing_is_sent_over_sendgrid(shop: SmallShop) -> None:
    shop.write("delivery.yml", "transport: sendgrid")
    with pytest.raises(ConfigurationError, match="SENDGRID_API_KEY"):
        send_due(shop.url, shop.settings, now=datetime.now(UTC))


def test_what_is_not_of_today_goes_to_the_local_mailbox_whatever_is_configured(shop: SmallShop) -> None:
    settings = replace(shop.settings, sendgrid_api_key="SG.real")
    shop.write("delivery.yml", "transport: sendgrid\nsendgrid: {host: 'http://127.0.0.1:1'}")
    shop.add("anna")
    shop.plan()
    assert send_due(shop.url, settings, now=MONDAY).accepted == 1
    assert len(shop.mails()) == 1


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_each_recipient_is_in_the_share_of_one_process(processes: int) -> None:
    key = RecipientKey(b"0123456789abcdef", "a test")
    shares = [Worker(number, processes).keys(key.key_id) for number in range(processes)]
    counts = [0] * processes
    for number in range(1_000):
        recipient = key.key_of(f"person{number}@mail.example")
        (owner,) = [
            place
            for place, (first, end) in enumerate(shares)
            if (first is None or first <= recipient) and (end is None or recipient < end)
        ]
        counts[owner] += 1
    assert min(counts) > 1_000 / processes * 0.7


def test_two_senders_at_once_share_the_work(shop: SmallShop) -> None:
    for number in range(40):
        shop.add(f"person{number}")
    shop.plan()
    with ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(lambda _: send_due(shop.url, shop.settings, now=MONDAY), range(2)))
    assert sum(count.accepted for count in counts) == 40
    assert len(shop.mails()) == 40
    assert shop.editions() == {"weekly/2026-06-29T09:00:00Z": ("done", None)}


def test_a_sender_killed_in_the_middle_loses_and_doubles_nothing(
    shop: SmallShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = 600
    monkeypatch.setattr(LocalMailbox, "chunk", 150)
    shop.execute(
        """
        insert into marts.customers
        select 'c' || n, 'c' || n || '@mail.example', 'Name ' || n, null, 1, null
        from generate_series(1, %s) as n
        """,
        people,
    )
    shop.execute(
        "insert into marts.consents select email, 'email', 'news', true, null, null from marts.customers"
    )
    shop.execute("insert into segments.members select 'active', customer_id, 'x' from marts.customers")
    shop.plan()

    undisturbed = _copy_of(shop, tmp_path)
    send_due(undisturbed.url, undisturbed.settings, now=MONDAY)
    assert len(undisturbed.mails()) == people

    kills = 0
    for mails_before_the_kill in (40, 200, 410):
        sender = subprocess.Popen(
            [sys.executable, "-c", _SENDER, shop.url, str(shop.settings.home), str(shop.settings.config)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        new = shop.settings.mailbox / "new"
        while sender.poll() is None and (not new.exists() or len(os.listdir(new)) < mails_before_the_kill):
            time.sleep(0.005)
        kills += sender.poll() is None
        sender.send_signal(signal.SIGKILL)
        sender.wait()
    assert kills == 3
    left = shop.execute("select count(*) from activation.messages where state = 'sending'")[0][0]
    assert left > 0
    send_due(shop.url, shop.settings, now=MONDAY)

    assert shop.mails() == undisturbed.mails()
    assert shop.execute("select distinct accepted_at from activation.messages") == [(MONDAY,)]
    assert list((shop.settings.mailbox / "tmp").iterdir()) == []
    rows = "select message_id, customer_id, recipient_key, state from activation.messages order by 1"
    assert shop.execute(rows) == undisturbed.execute(rows)
    assert shop.editions() == undisturbed.editions()


_SENDER = """
import sys
from pathlib import Path
from campaigns.small_shop import MONDAY
from rapport.delivery.outbox import send_due
from rapport.delivery.transports.local import LocalMailbox
from rapport.settings import Settings
LocalMailbox.chunk = 150
environment = {"RAPPORT_HOME": sys.argv[2], "RAPPORT_CONFIG": sys.argv[3]}
send_due(sys.argv[1], Settings.from_environment(environment), now=MONDAY)
"""


def _copy_of(shop: SmallShop, folder: Path) -> SmallShop:
    """The same shop with a database and a home of its own."""
    server, _, name = shop.url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            [name],
        )
        connection.execute(f"create database {name}_copy template {name}")
    home = folder / "copy"
    home.mkdir()
    if shop.settings.home.exists():
        shutil.copytree(shop.settings.home, home, dirs_exist_ok=True)
    return SmallShop(f"{server}/{name}_copy", replace(shop.settings, home=home))
