"""What is asked again when a message is claimed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from campaigns.small_shop import DAY, MONDAY, SERVICE, WEEKLY, WELCOME, SmallShop
from rapport import warehouse
from rapport.campaigns import rechecks
from rapport.campaigns.campaign import Campaign
from rapport.campaigns.conditions import customer_columns
from rapport.campaigns.configuration import read_campaigns
from rapport.delivery.configuration import ServiceTrouble

HOUR = timedelta(hours=1)
MOMENT = MONDAY + 2 * DAY


def campaign(shop: SmallShop, text: str) -> Campaign:
    shop.write("campaigns/weekly.yml", text)
    (read,) = read_campaigns(shop.settings).good
    return read


def asked(shop: SmallShop, query: rechecks.Query) -> dict[str, Any]:
    """By customer, the second column of the query over everybody who entered on Monday; else True."""
    batch = sql.SQL(
        """
        with batch as (
            select
                md5(customer_id)::uuid as message_id, customer_id, 'key of ' || customer_id as recipient_key,
                %(entered_at)s::timestamptz as entered_at, %(entered_at)s::timestamptz as slot_at
            from marts.customers
        )

        select batch.customer_id, found.* from ({}) as found inner join batch using (message_id)
        """
    ).format(query[0])
    with warehouse.connect(shop.url) as connection:
        rows = connection.execute(batch, query[1] | {"entered_at": MONDAY}).fetchall()
    return {row[0]: row[2] if len(row) > 2 else True for row in rows}


def not_meant(shop: SmallShop, one: Campaign, step: str | None = None) -> dict[str, Any]:
    with warehouse.connect(shop.url) as connection:
        columns = customer_columns(connection)
    return asked(shop, rechecks.no_longer_meant(one, step, "weekly/now", columns, MOMENT))


def test_segments_conditions_purchases_and_the_goal_are_asked_again(shop: SmallShop) -> None:
    one = campaign(
        shop,
        WEEKLY.replace("[unhappy]", "[unhappy], where: {country: {equals: DE}}, not_bought_within: 5d")
        + "goal: {event: visit}\n",
    )
    for name in ("fine", "left", "unhappy", "moved", "bought", "visited"):
        shop.add(name)
    shop.execute("update marts.customers set country = case customer_id when 'moved' then 'AT' else 'DE' end")
    shop.leave("left", "active")
    shop.enter("unhappy", "unhappy")
    shop.execute(
        "update marts.customers set last_order_at = %s where customer_id = 'bought'", MOMENT - 5 * DAY
    )
    shop.execute("update marts.customers set last_seen_at = %s", MONDAY)
    shop.execute("update marts.customers set last_seen_at = %s where customer_id = 'visited'", MONDAY + HOUR)
    assert not_meant(shop, one) == {
        "left": "no_longer_matches",
        "unhappy": "no_longer_matches",
        "moved": "condition",
        "bought": "not_bought_within",
        "visited": "goal_reached",
    }


def test_later_steps_of_a_journey_do_not_ask_for_the_segment_that_was_entered(shop: SmallShop) -> None:
    steps = "goal: {event: order}\njourney: [{name: hello}, {name: later, wait: 3d}]\n"
    one = campaign(shop, WELCOME + steps)
    shop.add("anna", segments=())
    shop.add("bert", segments=("unhappy",))
    assert not_meant(shop, one, "hello") == {"anna": "no_longer_matches", "bert": "no_longer_matches"}
    assert not_meant(shop, one, "later") == {}
    one = campaign(shop, WELCOME + steps + "audience: {include: [active], exclude: [unhappy]}\n")
    shop.enter("bert", "active")
    shop.add("carla")
    assert not_meant(shop, one, "later") == {"anna": "no_longer_matches", "bert": "no_longer_matches"}


def test_who_is_outside_their_hours_waits_until_they_begin(shop: SmallShop) -> None:
    one = campaign(
        shop, WEEKLY + "window: {opens: '09:00', closes: '19:00', fallback_time_zone: Asia/Tokyo}\n"
    )
    for name, zone in (("berlin", "Europe/Berlin"), ("tokyo", "Asia/Tokyo"), ("unknown", None)):
        shop.add(name)
        shop.execute("update marts.customers set time_zone = %s where customer_id = %s", zone, name)
    moment = datetime.fromisoformat("2026-07-01T10:00Z")  # 12:00 in Berlin, 19:00 in Tokyo
    query = rechecks.out_of_hours(one, moment, ["Europe/Berlin", "Asia/Tokyo"])
    assert query is not None
    opens = datetime.fromisoformat("2026-07-02T00:00Z")
    assert asked(shop, query) == {"tokyo": opens, "unknown": opens}
    assert rechecks.out_of_hours(campaign(shop, WEEKLY), moment, []) is None


@pytest.fixture
def troubled(shop: SmallShop) -> SmallShop:
    shop.execute(SERVICE)
    for name in ("fine", "open", "slow", "slow_long_ago", "bad", "detractor", "unrated"):
        shop.add(name)
    ticket = "insert into marts.tickets values (%s, %s, %s, %s, %s, %s)"
    shop.execute(ticket, "open", True, None, MOMENT - 90 * DAY, None, None)
    shop.execute(ticket, "slow", False, False, MOMENT - 13 * DAY, None, None)
    shop.execute(ticket, "slow_long_ago", False, False, MOMENT - 15 * DAY, None, None)
    shop.execute(ticket, "bad", False, True, MOMENT - 60 * DAY, 2, MOMENT - DAY)
    shop.execute(ticket, "unrated", False, True, MOMENT - 60 * DAY, 3, MOMENT - DAY)
    for name, metric, score in (("detractor", "nps", 6), ("fine", "nps", 9), ("unrated", "csat", 4)):
        shop.execute(
            "insert into marts.survey_responses values (%s, %s, %s, %s)", name, metric, score, MOMENT - DAY
        )
    return shop


def test_who_has_trouble_with_the_service_waits(troubled: SmallShop) -> None:
    one = campaign(troubled, WEEKLY + "service_hold: {rule: wait}\n")
    query = rechecks.in_service_hold(one, ServiceTrouble(), MOMENT)
    assert query is not None
    assert sorted(asked(troubled, query)) == ["bad", "detractor", "open", "slow"]
    assert rechecks.in_service_hold(campaign(troubled, WEEKLY), ServiceTrouble(), MOMENT) is None


def test_the_recovery_mail_ends_the_wait(troubled: SmallShop) -> None:
    one = campaign(troubled, WEEKLY + "service_hold: {rule: recovery, campaign: weekly}\n")
    run = troubled.run()
    troubled.plan(MONDAY, run=run)
    for name, days in (("open", 1), ("bad", 20)):
        troubled.execute(
            "update activation.messages set state = 'accepted', accepted_at = %s where customer_id = %s",
            MOMENT - days * DAY,
            name,
        )
    # An address that got it counts under whatever customer it was planned.
    troubled.execute(
        """
        update activation.messages
        set state = 'accepted', accepted_at = %s, recipient_key = 'key of slow', customer_id = 'another'
        where customer_id = 'unrated'
        """,
        MOMENT - DAY,
    )
    query = rechecks.in_service_hold(one, ServiceTrouble(), MOMENT)
    assert query is not None
    assert sorted(asked(troubled, query)) == ["bad", "detractor"]


def test_the_plan_counts_who_waits_at_its_slot(troubled: SmallShop) -> None:
    campaign(troubled, WEEKLY + "service_hold: {rule: wait}\n")
    troubled.plan(MOMENT)
    assert troubled.execute("select plan -> 'waiting_for_service' from activation.editions") == [(5,)]
