"""`plan`: what would be sent, for any date, without writing anything."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, WELCOME, SmallShop
from campaigns.test_arms import crowd
from rapport import ledger
from rapport.campaigns.dry_run import DryEdition, dry_run
from rapport.errors import ConfigurationError


def view(shop: SmallShop, as_of: datetime = MONDAY) -> None:
    """Say that the customer view was built as of then."""
    run = shop.run(as_of)
    with ledger.step(shop.url, run.run_id, "build", "record_memberships"):
        pass


def look(shop: SmallShop, as_of: datetime = MONDAY, campaign: str | None = None) -> list[DryEdition]:
    return dry_run(shop.url, shop.settings, as_of, campaign)


def reasons(edition: DryEdition) -> dict[str, str | None]:
    return {message.customer_id: message.state_reason for message in edition.people}


def everything(shop: SmallShop) -> dict[str, Sequence[Any]]:
    tables = shop.execute(
        """
        select format('%%I.%%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del
        from pg_stat_user_tables where schemaname in ('activation', 'segments', 'ops', 'marts') order by 1
        """
    )
    return {name: shop.execute(f"select * from {name} order by 1") for name, _ in tables}


def test_a_dry_run_says_what_planning_then_does_and_writes_nothing(shop: SmallShop) -> None:
    shop.write(
        "campaigns/weekly.yml", WEEKLY + "holdout: 0.4\nvariants: {a: {}, b: {}}\nlimits: {per_day: 7}\n"
    )
    shop.write("campaigns/welcome.yml", WELCOME)
    crowd(shop, 30)
    shop.add("late", segments=("new_customers",))
    shop.add("no_consent", topics=())
    shop.add("suppressed")
    view(shop)
    before = everything(shop)
    editions = look(shop)
    assert everything(shop) == before
    planned = shop.plan()
    assert [edition.edition_id for edition in editions] == [edition.edition_id for edition in planned]
    for dry, real in zip(editions, planned, strict=True):
        assert (dry.findings.planned, dry.findings.counts) == (real.planned, real.skipped)
        assert dry.state is None
        rows = shop.execute(
            """
            select customer_id, state, state_reason, due_at, arm, variant from activation.messages
            where edition_id = %s
            """,
            real.edition_id,
        )
        everybody = dry_run(shop.url, shop.settings, MONDAY, dry.campaign, people=99)[0].people
        assert sorted(map(repr, rows)) == sorted(repr(tuple(vars(message).values())) for message in everybody)


def test_campaigns_planned_before_count_for_the_cap_in_a_dry_run_too(shop: SmallShop) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    shop.write("campaigns/first.yml", WEEKLY + "priority: 5\n")
    shop.add("anna")
    view(shop)
    (edition,) = look(shop, campaign="weekly")
    assert edition.findings.counts == {"frequency_cap": 1}


def test_the_difference_from_the_last_edition_and_what_could_be_detected(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.5\ngoal: {event: order, within: 10d}\n")
    crowd(shop, 100)
    shop.plan()
    last = shop.execute("select count(*) from activation.messages where state = 'planned'")[0][0]
    (gone,) = shop.execute("select customer_id from activation.messages where state = 'planned' limit 1")
    shop.leave(gone[0], "active")
    crowd(shop, 60, prefix="new")
    shop.execute("update marts.customers set last_order_at = %s", MONDAY - 100 * DAY)
    shop.execute(
        "update marts.customers set last_order_at = %s where customer_id like '%%7'", MONDAY - 2 * DAY
    )
    view(shop, MONDAY + 7 * DAY)
    (edition,) = look(shop, MONDAY + 7 * DAY)
    difference, detectable = edition.findings.difference, edition.findings.detectable
    assert difference is not None
    assert detectable is not None
    assert (difference.edition_id, difference.planned) == ("weekly/2026-06-29T09:00:00Z", last)
    assert difference.left == 1
    assert difference.entered == edition.findings.planned - last + 1
    assert detectable.holdout + detectable.treatment == 159
    assert detectable.base_rate == pytest.approx(16 / 159, abs=0.01)
    assert detectable.relative is not None
    assert detectable.relative > 1


def past_shop(shop: SmallShop) -> None:
    """A month later: Anna has left since, Bert entered later, Carla opted out since, Dora ordered since."""
    shop.write("campaigns/weekly.yml", WEEKLY.replace("[unhappy]", "[unhappy], not_bought_within: 10d"))
    for name in ("anna", "bert", "carla", "dora"):
        shop.add(name, entered_at=MONDAY - DAY)
    shop.leave("anna", "active")
    shop.execute("update segments.memberships set left_at = %s where customer_id = 'anna'", MONDAY + DAY)
    shop.execute("update segments.memberships set entered_at = %s where customer_id = 'bert'", MONDAY + DAY)
    shop.execute("update marts.customers set last_order_at = %s", MONDAY + 25 * DAY)
    shop.execute("create table marts.orders (customer_id text, ordered_at timestamptz)")
    for days in (-60, -30, 25):
        shop.execute(
            "insert into marts.orders select customer_id, %s from marts.customers", MONDAY + days * DAY
        )
    shop.execute(
        """
        create schema if not exists intermediate;
        create table intermediate.int_consent_decisions (
            email text, channel text, topic text, decision text, decided_at timestamptz,
            confirmed_at timestamptz, expires_at timestamptz
        )
        """
    )
    shop.execute(
        """
        insert into intermediate.int_consent_decisions
        select email, 'email', 'news', 'granted', '2026-01-01' from marts.customers
        """
    )
    for topic, days in (("all", 3), ("news", -300)):
        shop.execute(
            """
            insert into intermediate.int_consent_decisions
            values ('carla@mail.example', 'email', %s, 'withdrawn', %s)
            """,
            topic,
            MONDAY + days * DAY,
        )
    shop.execute(
        """
        insert into intermediate.int_consent_decisions
        values ('carla@mail.example', 'email', 'news', 'granted', '2026-02-01', '2026-02-01')
        """
    )
    shop.execute("update marts.consents set is_granted = false where email like 'carla%%'")
    view(shop, MONDAY + 30 * DAY)


def test_a_past_date_sees_who_was_in_and_what_they_had_decided_then(shop: SmallShop) -> None:
    past_shop(shop)
    (then,) = look(shop, MONDAY)
    assert reasons(then) == {"anna": None, "carla": None, "dora": None}
    assert any(
        "customer columns, addresses and time zones are those of 2026-07-29" in s for s in then.unknown
    )
    (later,) = look(shop, MONDAY + 7 * DAY)
    assert reasons(later) == {"bert": None, "carla": "no_consent", "dora": None}
    (now,) = look(shop, MONDAY + 30 * DAY)
    assert reasons(now) == {
        "bert": "not_bought_within",
        "carla": "not_bought_within",
        "dora": "not_bought_within",
    }
    assert not any("customer columns" in sentence for sentence in now.unknown)


def test_a_past_date_does_not_see_what_was_sent_or_suppressed_later(shop: SmallShop) -> None:
    past_shop(shop)
    shop.write("delivery.yml", "caps: {marketing: {messages: 1, per: 10d}}")
    shop.execute("update marts.customers set last_order_at = null")
    shop.plan(MONDAY + 7 * DAY)
    shop.execute(
        "insert into activation.suppressions select recipient_key, 'all', 'x', %s from activation.recipients"
        " where email like 'dora%%'",
        MONDAY + DAY,
    )
    (then,) = look(shop, MONDAY)
    assert reasons(then) == {"anna": None, "carla": None, "dora": None}
    (again,) = look(shop, MONDAY + 7 * DAY)
    assert (again.edition_id, again.state) == ("weekly/2026-07-06T09:00:00Z", "approved")
    assert reasons(again) == {"bert": None, "carla": "no_consent", "dora": "suppressed"}
    (after,) = look(shop, MONDAY + 14 * DAY)
    assert reasons(after)["bert"] == "frequency_cap"


def test_a_date_to_come_says_what_it_cannot_know(shop: SmallShop) -> None:
    shop.add("anna")
    view(shop)
    (edition,) = look(shop, MONDAY + 14 * DAY)
    assert edition.edition_id == "weekly/2026-07-13T09:00:00Z"
    assert edition.findings.planned == 1
    assert edition.unknown[-1].startswith(
        "customers, segments and consents are those of 2026-06-29 09:00 UTC"
    )


@pytest.mark.parametrize(
    ("rule", "hold"),
    [
        ("limits: {per_edition: 1}", "limit: 2 mails, and 1 is the maximum of an edition"),
        ("voucher: summer", "low_vouchers: pool summer has 0 codes for 2 mails"),
        ("approval: true", None),
    ],
)
def test_a_dry_run_says_what_would_hold_it(shop: SmallShop, rule: str, hold: str | None) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + rule + "\n")
    for name in ("anna", "bert"):
        shop.add(name)
    view(shop)
    (edition,) = look(shop, MONDAY + timedelta(hours=3))
    assert edition.hold == hold
    assert edition.needs_approval == (rule == "approval: true")


def test_without_a_view_or_with_a_wrong_campaign_it_says_so(shop: SmallShop) -> None:
    with pytest.raises(ConfigurationError, match="there is no customer view"):
        look(shop)
    view(shop)
    shop.write(
        "campaigns/broken.yml", WEEKLY.replace("[unhappy]", "[unhappy], where: {contry: {equals: DE}}")
    )
    with pytest.raises(ConfigurationError, match="did you mean country"):
        look(shop, campaign="broken")
    assert [edition.campaign for edition in look(shop, campaign="weekly")] == ["weekly"]
