"""Conditions on customer columns, purchases and mails of the last days, and the goal."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, WELCOME, SmallShop
from rapport import warehouse
from rapport.campaigns.campaign import Condition
from rapport.campaigns.conditions import condition_mistakes, customer_columns
from rapport.errors import ConfigurationError


def where(rule: str, base: str = WEEKLY) -> str:
    return base.replace("exclude: [unhappy]", f"exclude: [unhappy], {rule}")


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("order_count: {at_least: 3}", ["anna", "null_city"]),
        ("order_count: {at_most: 2.5}", ["bert"]),
        ("order_count: {equals: 3, at_most: 9}", ["anna", "null_city"]),
        ('country: {one_of: [DE, "A\'T"]}', ["anna", "bert"]),
        ("country: {equals: DE}, order_count: {at_least: 3}", ["anna"]),
        ("country: {is_null: true}", ["null_city"]),
        ("country: {is_null: false}", ["anna", "bert"]),
        ("last_order_at: {within: 30d}", ["bert"]),
        ("last_order_at: {before: 31d}", ["anna", "null_city"]),
        ("last_order_at: {at_least: '2026-05-30'}", ["bert"]),
        ('country: {equals: "DE\' or true --"}', []),
        ("country: {equals: '%(topic)s {zone}'}", []),
    ],
)
def test_conditions_hold_for_whom_they_should(shop: SmallShop, rule: str, found: list[str]) -> None:
    shop.write("campaigns/weekly.yml", where(f"where: {{{rule}}}"))
    for name in ("anna", "bert", "null_city"):
        shop.add(name)
    shop.execute("update marts.customers set country = 'DE' where customer_id = 'anna'")
    shop.execute(
        "update marts.customers set country = 'A''T', order_count = 2, last_order_at = %s"
        " where customer_id = 'bert'",
        MONDAY - 30 * DAY,
    )
    shop.plan()
    planned = [name for name, (state, _) in shop.messages().items() if state == "planned"]
    assert sorted(planned) == found
    assert {reason for state, reason in shop.messages().values() if state == "skipped"} <= {"condition"}


@pytest.mark.parametrize(
    ("column", "condition", "sentence"),
    [
        ("contry", {"equals": "DE"}, "marts.customers has no column contry; did you mean country?"),
        ("country", {"at_least": 3}, "country is text; what can be asked of it: equals, one_of, is_null"),
        ("order_count", {"equals": "three"}, "'three' is no number; order_count is bigint"),
        ("order_count", {"equals": True}, "True is no number; order_count is bigint"),
        ("order_count", {"within": "3d"}, "order_count is bigint; what can be asked"),
        ("last_order_at", {"at_least": "soon"}, "'soon' is no time like '2026-01-31'"),
        ("country", {"one_of": ["DE", 3]}, "3 is no text (put it in quotes)"),
        ('x" or true --', {"is_null": True}, 'marts.customers has no column x" or true --'),
    ],
)
def test_a_wrong_column_or_value_is_named(
    shop: SmallShop, column: str, condition: dict[str, Any], sentence: str
) -> None:
    with warehouse.connect(shop.url) as connection:
        columns = customer_columns(connection)
    (mistake,) = condition_mistakes({column: Condition.model_validate(condition)}, columns)
    assert mistake.startswith(f"audience.where.{column}")
    assert sentence in mistake


def test_a_wrong_column_keeps_its_campaign_from_being_planned_and_no_other(shop: SmallShop) -> None:
    shop.write("campaigns/wrong.yml", where("where: {contry: {equals: DE}}"))
    shop.add("anna")
    with pytest.raises(
        ConfigurationError, match=r"campaigns/wrong.yml: audience.where.contry: marts.customers"
    ):
        shop.plan()
    assert list(shop.editions()) == ["weekly/2026-06-29T09:00:00Z"]


@pytest.mark.parametrize(
    ("rule", "skipped"),
    [
        ("bought_within: 10d", {"long_ago": "bought_within", "never": "bought_within"}),
        ("not_bought_within: 10d", {"lately": "not_bought_within"}),
    ],
)
def test_who_bought_lately(shop: SmallShop, rule: str, skipped: dict[str, str]) -> None:
    shop.write("campaigns/weekly.yml", where(rule))
    for name, ordered_at in (("lately", MONDAY - 10 * DAY), ("long_ago", MONDAY - 11 * DAY), ("never", None)):
        shop.add(name)
        shop.execute("update marts.customers set last_order_at = %s where customer_id = %s", ordered_at, name)
    shop.plan()
    assert {name: reason for name, (_, reason) in shop.messages().items() if reason} == skipped


@pytest.mark.parametrize(
    ("rule", "skipped"),
    [
        ("mailed_within: 10d", {"never": "mailed_within", "long_ago": "mailed_within"}),
        ("not_mailed_within: 10d", {"lately": "not_mailed_within", "merged": "not_mailed_within"}),
    ],
)
def test_who_was_mailed_lately(shop: SmallShop, rule: str, skipped: dict[str, str]) -> None:
    shop.write("delivery.yml", "caps: {marketing: {messages: 9, per: 7d}}")
    for name in ("lately", "long_ago", "old", "never"):
        shop.add(name, segments=() if name == "never" else ("active",))
    run = shop.run()
    shop.plan(run=run)
    shop.execute("update activation.messages set state = 'accepted', accepted_at = %s", MONDAY)
    shop.execute(
        "update activation.messages set accepted_at = %s where customer_id = 'long_ago'", MONDAY - 4 * DAY
    )
    shop.add("merged", segments=())
    shop.merge("old", "merged", run)
    shop.enter("never", "active")
    shop.write("campaigns/weekly.yml", where(rule))
    shop.plan(MONDAY + 7 * DAY)
    rows = shop.execute("select customer_id, state_reason from activation.messages where due_at > %s", MONDAY)
    assert {name: reason for name, reason in rows if reason} == skipped


def test_who_reached_the_goal_since_entering_gets_nothing(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME + "goal: {event: order}\n")
    for name, days in (("bought", 1), ("bought_before", -1)):
        shop.add(name, segments=("new_customers",))
        shop.execute(
            "update marts.customers set last_order_at = %s where customer_id = %s", MONDAY + days * DAY, name
        )
    shop.plan(MONDAY + DAY + timedelta(hours=1))
    assert shop.messages() == {"bought": ("skipped", "goal_reached"), "bought_before": ("planned", None)}


def test_who_was_silent_for_long_is_left_in_peace_where_the_team_wants_that(shop: SmallShop) -> None:
    shop.write("delivery.yml", "sunset_after: 180d")
    for name in ("silent", "buyer", "visitor", "subscriber", "clicker"):
        shop.add(name)
    shop.execute("update marts.customers set last_order_at = %s", MONDAY - 400 * DAY)
    recent = MONDAY - 100 * DAY
    shop.execute("update marts.customers set last_order_at = %s where customer_id = 'buyer'", recent)
    shop.execute("update marts.customers set last_seen_at = %s where customer_id = 'visitor'", recent)
    shop.execute("update marts.consents set granted_at = %s where email like 'subscriber%%'", recent)
    shop.plan(MONDAY - 105 * DAY)
    shop.execute(
        """
        insert into activation.message_events (message_id, event, occurred_at)
        select message_id, 'clicked', %s from activation.messages where customer_id = 'clicker'
        """,
        recent,
    )
    shop.plan()
    assert {name: reason for name, (_, reason) in shop.messages().items() if reason} == {"silent": "sunset"}
