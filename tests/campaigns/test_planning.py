"""Which editions there are, who is in them, who is not and why."""

from datetime import timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, WELCOME, SmallShop
from rapport import ledger
from rapport.delivery.outbox import send_due
from rapport.errors import ConfigurationError


def test_the_latest_slot_becomes_an_edition_of_everybody_who_consents(shop: SmallShop) -> None:
    shop.add("anna")
    (edition,) = shop.plan(MONDAY + timedelta(hours=5))
    assert edition.edition_id == "weekly/2026-06-29T09:00:00Z"
    assert (edition.state, edition.planned, edition.skipped) == ("approved", 1, {})
    assert edition.due_at == MONDAY


def test_everybody_who_gets_nothing_has_the_first_reason_that_applies(shop: SmallShop) -> None:
    shop.add("a_plain")
    shop.add("b_no_address", None)
    shop.add("c_no_consent", topics=("offers",))
    shop.add("d_withdrawn")
    shop.add("e_suppressed")
    shop.add("f_shares", "a_plain@mail.example")
    shop.add("g_complained", segments=("active", "unhappy"))
    shop.execute(
        "update marts.consents set is_granted = false where email like 'd_withdrawn%%' and topic = 'news'"
    )
    shop.plan(MONDAY - 30 * DAY)  # makes the recipients, and has an edition of its own
    shop.execute("delete from activation.messages")
    shop.execute("delete from activation.editions")
    shop.execute(
        """
        insert into activation.suppressions
        select recipient_key, 'all', 'unsubscribed', '2026-01-01' from activation.recipients
        where email like 'e_suppressed%%'
        """
    )
    (edition,) = shop.plan()
    assert shop.messages() == {
        "a_plain": ("planned", None),
        "b_no_address": ("skipped", "no_address"),
        "c_no_consent": ("skipped", "no_consent"),
        "d_withdrawn": ("skipped", "no_consent"),
        "e_suppressed": ("skipped", "suppressed"),
        "f_shares": ("skipped", "same_address"),
    }
    assert edition.planned == 1
    assert edition.skipped == {"no_address": 1, "no_consent": 2, "same_address": 1, "suppressed": 1}


def test_where_nobody_ever_decided_on_the_topic_consent_is_what_is_missing(shop: SmallShop) -> None:
    shop.add("a_plain", topics=("offers",))
    shop.add("b_no_address", None)
    (edition,) = shop.plan()
    assert edition.skipped == {"no_consent": 2}


@pytest.mark.parametrize(
    ("topic", "reason"), [("news", "suppressed"), ("all", "suppressed"), ("offers", None)]
)
def test_a_suppression_holds_for_its_topic(shop: SmallShop, topic: str, reason: str | None) -> None:
    shop.add("anna")
    shop.plan()
    shop.execute(
        """
        insert into activation.suppressions
        select recipient_key, %s, 'unsubscribed', %s from activation.recipients
        """,
        topic,
        MONDAY,
    )
    shop.plan(MONDAY + 7 * DAY)
    assert shop.messages()["anna"] == ("skipped" if reason else "planned", reason)


def test_only_a_consent_confirmed_later_lifts_a_suppression(shop: SmallShop) -> None:
    shop.add("before")
    shop.add("after")
    shop.plan()
    shop.execute(
        """
        insert into activation.suppressions
        select recipient_key, 'news', 'x', %s from activation.recipients
        """,
        MONDAY,
    )
    shop.execute("update marts.consents set confirmed_at = %s where email like 'before%%'", MONDAY - DAY)
    shop.execute("update marts.consents set confirmed_at = %s where email like 'after%%'", MONDAY + DAY)
    shop.plan(MONDAY + 7 * DAY)
    assert shop.messages() == {"before": ("skipped", "suppressed"), "after": ("planned", None)}


def test_two_people_with_one_address_and_no_consent_are_both_accounted_for(shop: SmallShop) -> None:
    shop.add("anna", "family@mail.example", topics=())
    shop.add("bert", "family@mail.example", topics=())
    shop.plan()
    assert shop.messages() == {"anna": ("skipped", "no_consent"), "bert": ("skipped", "no_consent")}


def test_the_cap_counts_all_campaigns_and_favours_the_higher_priority(shop: SmallShop) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    shop.write("campaigns/a_first_by_name.yml", WEEKLY)
    shop.write("campaigns/weekly.yml", WEEKLY + "priority: 5\n")
    shop.add("anna")
    editions = shop.plan()
    assert [(e.campaign, e.planned, e.skipped) for e in editions] == [
        ("weekly", 1, {}),
        ("a_first_by_name", 0, {"frequency_cap": 1}),
    ]


def test_the_cap_counts_what_was_sent_or_may_have_been(shop: SmallShop) -> None:
    counted = ("planned", "sending", "accepted", "uncertain", "unknown")
    others = ("rejected", "skipped", "expired", "cancelled")
    for state in (*counted, *others):
        shop.add(state)
    shop.plan()
    shop.execute("update activation.messages set state = customer_id")
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}, service: {messages: 1, per: 7d}}")
    shop.write("campaigns/second.yml", WEEKLY)
    shop.write("campaigns/third.yml", WEEKLY + "cap: service\n")
    shop.plan()
    assert set(
        shop.execute(
            "select customer_id from activation.messages where campaign = 'second'"
            " and state_reason = 'frequency_cap'"
        )
    ) == {(state,) for state in counted}
    # Another class has a cap of its own.
    assert shop.execute("select distinct state from activation.messages where campaign = 'third'") == [
        ("planned",)
    ]


def test_who_may_have_got_it_does_not_get_it_again(shop: SmallShop) -> None:
    """Whether it was sent is not known of all; of those it is taken as sent."""
    shop.write("campaigns/weekly.yml", WEEKLY.replace("re_entry: 1d", "re_entry: never"))
    had_it = ("planned", "sending", "accepted", "uncertain", "unknown")
    for state in (*had_it, "rejected", "expired"):
        shop.add(state)
    shop.plan()
    shop.execute("update activation.messages set state = customer_id")
    shop.plan(MONDAY + 14 * DAY)
    assert shop.messages() == {
        **dict.fromkeys(had_it, ("skipped", "re_entry")),
        **dict.fromkeys(("rejected", "expired"), ("planned", None)),
    }


def test_the_cap_lets_go_after_its_period(shop: SmallShop) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    shop.write("campaigns/weekly.yml", WEEKLY.replace("0 9 * * 1", "0 9 * * *"))
    shop.add("anna")
    planned = [shop.plan(MONDAY + day * DAY)[0].planned for day in range(9)]
    assert planned == [1, 0, 0, 0, 0, 0, 0, 1, 0]


def test_planning_twice_changes_nothing(shop: SmallShop) -> None:
    shop.write("campaigns/welcome.yml", WELCOME)
    shop.add("anna", segments=("active", "new_customers"))
    shop.add("bert", topics=())
    run = shop.run()
    assert len(shop.plan(run=run)) == 2
    before = shop.execute("select * from activation.messages order by message_id"), shop.editions()
    assert shop.plan(run=run) == []
    assert shop.plan(MONDAY + timedelta(hours=1)) == []
    assert (shop.execute("select * from activation.messages order by message_id"), shop.editions()) == before


def test_a_slot_that_is_too_old_gives_no_edition(shop: SmallShop) -> None:
    shop.add("anna")
    assert shop.plan(MONDAY + 2 * DAY + timedelta(minutes=1)) == []
    assert len(shop.plan(MONDAY + 2 * DAY)) == 1


def test_entering_gives_one_edition_of_the_new_entries_only(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", segments=("new_customers",))
    shop.add("bert", segments=("new_customers",), entered_at=MONDAY - 3 * DAY)
    (first,) = shop.plan(MONDAY)
    assert (first.edition_id, first.planned) == ("weekly/2026-06-29T09:00:00Z", 1)
    assert shop.plan(MONDAY + DAY) == []
    shop.add("carla", segments=("new_customers",), entered_at=MONDAY + DAY)
    (second,) = shop.plan(MONDAY + DAY)
    assert (second.edition_id, second.planned) == ("weekly/2026-06-30T09:00:00Z", 1)
    shop.add("dora", segments=("new_customers",), entered_at=MONDAY + DAY)
    (third,) = shop.plan(MONDAY + DAY)
    assert (third.edition_id, third.planned) == ("weekly/2026-06-30T09:00:00Z/2", 1)


def test_who_has_left_the_segment_again_is_not_considered(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME + "audience: {include: [active]}\n")
    shop.add("anna", segments=("active", "new_customers"), entered_at=MONDAY - DAY)
    shop.leave("anna", "new_customers")
    shop.execute("update segments.memberships set left_at = %s where segment = 'new_customers'", MONDAY)
    assert shop.plan() == []


@pytest.mark.parametrize(("re_entry", "reason"), [("never", "re_entry"), ("30d", "re_entry"), ("10d", None)])
def test_nobody_gets_a_campaign_again_within_re_entry(
    shop: SmallShop, re_entry: str, reason: str | None
) -> None:
    shop.write("campaigns/weekly.yml", WELCOME + f"re_entry: {re_entry}\n")
    shop.add("anna", segments=("new_customers",))
    shop.plan()
    shop.leave("anna", "new_customers")
    shop.execute("update segments.memberships set left_at = %s", MONDAY + DAY)
    shop.enter("anna", "new_customers", MONDAY + 14 * DAY)
    shop.plan(MONDAY + 14 * DAY)
    assert shop.messages()["anna"] == ("skipped" if reason else "planned", reason)


def test_memberships_rebuilt_with_other_times_welcome_nobody_again(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", segments=("new_customers",))
    shop.plan()
    shop.execute("update segments.memberships set entered_at = %s", MONDAY - timedelta(hours=3))
    shop.plan(MONDAY)
    assert sorted(shop.execute("select state, state_reason from activation.messages")) == [
        ("planned", None),
        ("skipped", "re_entry"),
    ]


def test_a_merged_person_gets_no_second_mail_at_their_other_address(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", segments=("new_customers",))
    shop.plan()
    shop.add("anne", segments=())
    shop.merge("anna", "anne", shop.run())
    shop.execute("update segments.memberships set customer_id = 'anne', entered_at = %s", MONDAY + DAY)
    shop.plan(MONDAY + DAY)
    assert shop.messages()["anne"] == ("skipped", "re_entry")


def test_an_address_that_moves_to_another_customer_gets_no_second_mail(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", "a@mail.example", segments=("new_customers",))
    shop.plan()
    shop.add("split", "a@mail.example", segments=("new_customers",), entered_at=MONDAY + DAY)
    shop.plan(MONDAY + DAY)
    assert shop.messages()["split"] == ("skipped", "re_entry")


@pytest.mark.parametrize("status", ["fail", "error"])
def test_a_failed_test_holds_and_the_healed_run_plans_afresh(shop: SmallShop, status: str) -> None:
    shop.add("anna")
    broken = shop.run()
    ledger.record_tests(
        shop.url,
        broken.run_id,
        "marts",
        [
            ledger.TestResult("visits_are_few", "visits", "warn", 3, None, None),
            ledger.TestResult("orders_unique", "orders", status, 3, None, None),
        ],
    )
    (held,) = shop.plan(run=broken)
    assert (held.state, held.state_reason, held.planned) == ("held", "failed_test: orders_unique", 1)
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted == 0
    shop.add("bert")
    (healed,) = shop.plan(MONDAY + timedelta(hours=2))
    assert (healed.edition_id, healed.state, healed.planned) == (held.edition_id, "approved", 2)
    assert len(shop.editions()) == 1


def test_a_held_edition_gives_way_to_the_next_slot(shop: SmallShop) -> None:
    shop.add("anna")
    broken = shop.run()
    with pytest.raises(RuntimeError), ledger.step(shop.url, broken.run_id, "build", "build_marts"):
        raise RuntimeError("broken")
    assert [edition.state_reason for edition in shop.plan(run=broken)] == ["failed_step: build_marts"]
    again = shop.run(MONDAY + 7 * DAY)
    with pytest.raises(RuntimeError), ledger.step(shop.url, again.run_id, "build", "build_marts"):
        raise RuntimeError("broken at first")
    with ledger.step(shop.url, again.run_id, "build", "build_marts"):
        pass  # the retry succeeds, and that counts
    shop.plan(run=again)
    assert shop.editions() == {
        "weekly/2026-06-29T09:00:00Z": ("cancelled", "superseded"),
        "weekly/2026-07-06T09:00:00Z": ("approved", None),
    }
    states = shop.execute("select edition_id, state from activation.messages order by 1")
    assert states == [
        ("weekly/2026-06-29T09:00:00Z", "cancelled"),
        ("weekly/2026-07-06T09:00:00Z", "planned"),
    ]


def test_who_was_in_a_held_edition_keeps_their_entry_for_the_next(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", segments=("new_customers",))
    shop.add("bert", segments=("new_customers",), topics=())
    broken = shop.run()
    ledger.record_tests(
        shop.url, broken.run_id, "marts", [ledger.TestResult("t", None, "error", None, None, None)]
    )
    shop.plan(run=broken)
    (healed,) = shop.plan(MONDAY + DAY)
    assert (healed.edition_id, healed.state) == ("weekly/2026-06-30T09:00:00Z", "approved")
    assert (healed.planned, healed.skipped) == (1, {"no_consent": 1})


def test_a_stale_source_holds(shop: SmallShop) -> None:
    shop.write(
        "sources/visits.yml",
        """
stream: web_events
read: {files: landing/*.csv}
columns: {event_id: id, event_name: name, occurred_at: {column: time, time_zone: UTC}}
freshness: {error_after: 50h}
""",
    )
    shop.add("anna")
    loaded = """
        insert into ops.load_batches (
            batch_id, source, stream, mode, feed, file, file_hash, mapping_hash,
            rows_read, rows_loaded, rows_duplicate, rows_rejected, newest_record_at, started_at, delivery
        )
        values (%s, 'visits', 'web_events', 'append', 'visits', 'f', %s, 'm', 0, 0, 0, 0, %s, now(), 1)
    """
    shop.execute(loaded, 1, "one", MONDAY - 51 * timedelta(hours=1))
    assert [edition.state_reason for edition in shop.plan()] == ["stale_source: visits"]
    shop.execute(loaded, 2, "two", MONDAY - 49 * timedelta(hours=1))
    assert [edition.state for edition in shop.plan()] == ["approved"]


def test_a_template_that_renders_for_nobody_holds_without_naming_anybody(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY.replace("customer.first_name or 'you'", "customer.first_name"))
    shop.add("anna")
    (edition,) = shop.plan()
    assert edition.state == "held"
    assert edition.state_reason is not None
    assert edition.state_reason.startswith("template_error: customer.first_name is empty for 1 of 1")
    assert "anna" not in edition.state_reason


def test_one_bad_campaign_stops_no_other_and_is_named(shop: SmallShop) -> None:
    shop.write("campaigns/broken.yml", WEEKLY.replace("customer.first_name", "customer.frist_name"))
    shop.add("anna")
    with pytest.raises(ConfigurationError, match=r"no customer.frist_name; did you mean first_name\?"):
        shop.plan()
    assert shop.messages() == {"anna": ("planned", None)}


def test_the_edition_remembers_what_it_is_made_of(shop: SmallShop) -> None:
    shop.add("anna")
    hashes = set()
    for name, old, new in (
        ("campaigns/weekly.yml", "What is new", "What is old"),
        ("templates/letter.mjml", "Hello", "Dear"),
        ("sender.yml", "Bath", "York"),
        ("sender.yml", "", ""),
    ):
        shop.plan()
        hashes |= {row[0] for row in shop.execute("select edition_hash from activation.editions")}
        shop.execute("delete from activation.messages")
        shop.execute("delete from activation.editions")
        shop.write(name, (shop.settings.config / name).read_text().replace(old, new))
    assert len(hashes) == 4
