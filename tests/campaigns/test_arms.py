"""Holdout and variants: by a salted hash, after everything else, for good."""

import hashlib
from collections import Counter

import psycopg
import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, SmallShop

MANY = 400


def crowd(shop: SmallShop, people: int = MANY, prefix: str = "p") -> None:
    shop.execute(
        """
        with people as (select %s || lpad(number::text, 4, '0') as id from generate_series(1, %s) as number),

        customers as (
            insert into marts.customers (customer_id, email) select id, id || '@mail.example' from people
        ),

        consents as (
            insert into marts.consents (email, channel, topic, is_granted)
            select id || '@mail.example', 'email', 'news', true from people
        )

        insert into segments.members select 'active', id, 'test' from people
        """,
        prefix,
        people,
    )


def arms(shop: SmallShop, campaign: str = "weekly") -> dict[str, tuple[str, str | None]]:
    return {
        key: (arm, variant)
        for key, arm, variant in shop.execute(
            "select recipient_key, arm, variant from activation.arms where campaign = %s", campaign
        )
    }


def held_out(shop: SmallShop, campaign: str = "weekly") -> set[str]:
    return {key for key, (arm, _) in arms(shop, campaign).items() if arm == "holdout"}


def bucket(salt: str, key: str) -> float:
    return int(hashlib.md5(f"{salt} {key}".encode()).hexdigest()[:12], 16) / 2**48


def test_a_share_is_held_out_by_the_hash_of_the_recipient(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.25\n")
    crowd(shop)
    shop.add("no_consent", topics=())
    (edition,) = shop.plan()
    assert held_out(shop) == {key for key in arms(shop) if bucket("weekly holdout", key) < 0.25}
    assert len(arms(shop)) == MANY
    assert 0.15 * MANY < len(held_out(shop)) < 0.35 * MANY
    rows = shop.execute(
        """
        select state, state_reason, arm, due_at, count(*) from activation.messages
        where state_reason is distinct from 'no_consent' group by 1, 2, 3, 4 order by 1
        """
    )
    out = len(held_out(shop))
    assert rows == [
        ("planned", None, "treatment", MONDAY, MANY - out),
        ("skipped", "holdout", "holdout", MONDAY, out),
    ]
    assert edition.planned == MANY - out


def test_arms_stay_when_the_share_grows_and_new_people_get_the_new_share(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.1\n")
    crowd(shop)
    shop.plan()
    before = arms(shop)
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.5\n")
    crowd(shop, prefix="new")
    shop.plan(MONDAY + 7 * DAY)
    after = arms(shop)
    assert {key: after[key] for key in before} == before
    again = dict(
        shop.execute(
            "select recipient_key, arm from activation.messages where due_at > %s and customer_id like 'p%%'",
            MONDAY,
        )
    )
    assert again == {key: arm for key, (arm, _) in before.items()}
    new = {key: arm for key, arm in after.items() if key not in before}
    assert {key for key, (arm, _) in new.items() if arm == "holdout"} == {
        key for key in new if bucket("weekly holdout", key) < 0.5
    }


def test_a_share_that_shrinks_holds_the_edition(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.2\n")
    shop.add("anna")
    shop.plan()
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.1\n")
    (edition,) = shop.plan(MONDAY + 7 * DAY)
    assert edition.state == "held"
    assert edition.state_reason == (
        "holdout_shrunk: 0.1 is less than the 0.2 of earlier editions, and an arm is for good; "
        "write holdout: 0.2, or give the campaign another name"
    )


def test_each_campaign_holds_out_others_and_the_share_of_all_campaigns_gets_none(shop: SmallShop) -> None:
    shop.write("delivery.yml", "global_holdout: 0.2\ncaps: {marketing: {messages: 9, per: 7d}}")
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.3\n")
    shop.write("campaigns/other.yml", WEEKLY + "holdout: 0.3\n")
    crowd(shop)
    shop.plan()
    nobody_mails = held_out(shop, "*")
    assert nobody_mails == {key for key in arms(shop, "*") if bucket("* holdout", key) < 0.2}
    assert set(arms(shop)) == set(arms(shop, "other")) == set(arms(shop, "*")) - nobody_mails
    both = held_out(shop) & held_out(shop, "other")
    assert len(both) < 0.7 * min(len(held_out(shop)), len(held_out(shop, "other")))
    reasons = Counter(
        shop.execute("select campaign, state_reason, arm from activation.messages where state = 'skipped'")
    )
    assert reasons["weekly", "global_holdout", None] == len(nobody_mails)
    assert reasons["other", "holdout", "holdout"] == len(held_out(shop, "other"))


def test_variants_get_equal_shares_of_the_treated_and_stay(shop: SmallShop) -> None:
    text = WEEKLY.replace("subject: News for {{ customer.first_name or 'you' }}\n", "")
    variants = "variants: {a: {subject: A}, b: {subject: B}, c: {subject: C}}\nholdout: 0.1\n"
    shop.write("campaigns/weekly.yml", text + variants)
    crowd(shop)
    shop.plan()
    treated = {key: variant for key, (arm, variant) in arms(shop).items() if arm == "treatment"}
    counts = Counter(treated.values())
    assert set(counts) == {"a", "b", "c"}
    assert max(counts.values()) - min(counts.values()) < 0.25 * len(treated)
    assert treated == {key: "abc"[int(bucket("weekly variant", key) * 3)] for key in treated}
    shop.write("campaigns/weekly.yml", text + variants.replace("a: {subject: A}, ", ""))
    shop.plan(MONDAY + 7 * DAY)
    later = dict(
        shop.execute(
            "select recipient_key, variant from activation.messages where due_at > %s and state = 'planned'",
            MONDAY,
        )
    )
    assert {key for key, variant in later.items() if variant == "a"} == set()
    assert all(later[key] == variant for key, variant in treated.items() if variant != "a")


def test_who_was_held_out_had_their_turn_as_who_was_mailed(shop: SmallShop) -> None:
    """Else the next edition's holdout would be everybody and its treatment only newcomers."""
    shop.write("campaigns/weekly.yml", WEEKLY.replace("re_entry: 1d", "re_entry: never") + "holdout: 0.3\n")
    crowd(shop, 40)
    shop.plan()
    (edition,) = shop.plan(MONDAY + 7 * DAY)
    assert edition.skipped == {"re_entry": 40}


def test_no_arm_is_given_by_an_edition_that_is_held(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.3\nlimits: {per_edition: 1}\n")
    crowd(shop, 20)
    assert [edition.state for edition in shop.plan()] == ["held"]
    assert arms(shop) == {}


def test_without_a_holdout_there_are_no_arms(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    assert shop.execute("select arm, variant from activation.messages") == [(None, None)]
    assert arms(shop) == {}


def test_the_bucket_is_the_one_it_was_when_it_was_frozen(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute("select activation.bucket('weekly holdout', 'k_1')").fetchone()
    assert row == (bucket("weekly holdout", "k_1"),)
    assert row[0] == pytest.approx(0.5, abs=0.5)
