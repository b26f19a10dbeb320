"""What an edition may not exceed: the pool of codes, the maxima of an edition and a day."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, SmallShop

PEOPLE = ("anna", "bert", "carla", "dora", "emil")
WINDOW = "window: {opens: '09:00', closes: '19:00', fallback_time_zone: Europe/Berlin%s}\n"


def codes(shop: SmallShop, *names: str, pool: str = "summer") -> None:
    for name in names:
        shop.execute("insert into activation.vouchers (pool, code) values (%s, %s)", pool, name)


def taken(shop: SmallShop) -> dict[str, str]:
    """Customer by code; both sides agree."""
    rows = shop.execute(
        """
        select vouchers.code, messages.customer_id, messages.voucher = vouchers.code
        from activation.vouchers inner join activation.messages using (message_id)
        """
    )
    assert all(agree for _, _, agree in rows)
    return {code: customer for code, customer, _ in rows}


@pytest.fixture
def vouchers(shop: SmallShop) -> SmallShop:
    shop.write("campaigns/weekly.yml", WEEKLY + "voucher: summer\n")
    for name in PEOPLE:
        shop.add(name)
    return shop


def test_each_message_takes_a_code_of_its_own(vouchers: SmallShop) -> None:
    codes(vouchers, *(f"S{number}" for number in range(7)))
    codes(vouchers, "W0", pool="winter")
    vouchers.add("no_consent", topics=())
    (edition,) = vouchers.plan()
    assert edition.state == "approved"
    assert sorted(taken(vouchers)) == ["S0", "S1", "S2", "S3", "S4"]
    assert sorted(taken(vouchers).values()) == list(PEOPLE)


def test_a_low_stock_holds_and_takes_nothing_until_there_is_more(vouchers: SmallShop) -> None:
    codes(vouchers, "S1", "S2")
    (edition,) = vouchers.plan()
    assert (edition.state, edition.state_reason) == (
        "held",
        "low_vouchers: pool summer has 2 codes for 5 mails",
    )
    assert taken(vouchers) == {}
    codes(vouchers, "S3", "S4", "S5")
    (edition,) = vouchers.plan(MONDAY + timedelta(hours=1))
    assert edition.state == "approved"
    assert len(taken(vouchers)) == 5


def test_codes_of_mails_that_never_left_serve_the_next_edition(vouchers: SmallShop) -> None:
    codes(vouchers, *(f"S{number}" for number in range(6)))
    vouchers.plan()
    first = taken(vouchers)
    vouchers.execute("update activation.messages set state = 'skipped' where customer_id in ('anna', 'bert')")
    vouchers.execute("update activation.messages set state = 'expired' where customer_id = 'carla'")
    vouchers.execute(
        "update activation.messages set state = 'accepted' where customer_id in ('dora', 'emil')"
    )
    for name in ("anna", "bert"):
        vouchers.leave(name, "active")
    (edition,) = vouchers.plan(MONDAY + 7 * DAY)
    assert edition.state == "approved"
    kept = {code for code, name in first.items() if name in ("dora", "emil")}
    assert len(taken(vouchers)) == 5
    assert kept <= set(taken(vouchers))


def test_an_edition_over_its_maximum_is_held(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "limits: {per_edition: 4}\n")
    for name in PEOPLE:
        shop.add(name)
    (edition,) = shop.plan()
    assert (edition.state, edition.state_reason) == (
        "held",
        "limit: 5 mails, and 4 is the maximum of an edition",
    )
    shop.leave("anna", "active")
    assert [edition.state for edition in shop.plan()] == ["approved"]


def due(shop: SmallShop) -> Counter[datetime]:
    return Counter(
        row[0] for row in shop.execute("select due_at from activation.messages where state = 'planned'")
    )


def test_what_is_over_the_days_maximum_waits_for_the_next(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "limits: {per_day: 2}\n")
    for name in PEOPLE:
        shop.add(name)
    shop.plan()
    assert due(shop) == {MONDAY: 2, MONDAY + DAY: 2, MONDAY + 2 * DAY: 1}
    late = shop.execute("select max(expires_at - due_at), min(expires_at - due_at) from activation.messages")
    assert late == [(2 * DAY, 2 * DAY)]
    assert shop.execute("select due_at, expires_at from activation.editions") == [(MONDAY, MONDAY + 4 * DAY)]


def test_the_days_maximum_counts_the_editions_before_and_keeps_the_window(shop: SmallShop) -> None:
    daily = WEEKLY.replace("0 9 * * 1", "0 9 * * *").replace("re_entry: 1d", "re_entry: never")
    shop.write("campaigns/weekly.yml", daily + "limits: {per_day: 2}\n" + WINDOW % ", days: [mon, tue, thu]")
    for name in PEOPLE[:3]:
        shop.add(name)
    shop.plan()
    assert due(shop) == {MONDAY: 2, MONDAY + DAY: 1}
    for name in PEOPLE[3:]:
        shop.add(name)
    shop.plan(MONDAY + DAY)
    thursday = MONDAY + 3 * DAY
    assert due(shop) == {MONDAY: 2, MONDAY + DAY: 2, thursday: 1}


def test_who_waits_for_the_next_day_waits_for_their_own_hours_too(shop: SmallShop) -> None:
    """On Sunday the clocks in Berlin go back: a day of 24 hours later 9:00 has not come yet."""
    shop.write(
        "campaigns/weekly.yml",
        WEEKLY.replace("0 9 * * 1", "0 7 * * 6")
        + "limits: {per_day: 1}\n"
        + "window: {opens: '09:00', closes: '10:00', fallback_time_zone: Europe/Berlin}\n",
    )
    for name in PEOPLE[:3]:
        shop.add(name)
    shop.plan(datetime.fromisoformat("2026-10-24T07:00Z"))
    assert due(shop) == {
        datetime.fromisoformat("2026-10-24T07:00Z"): 1,
        datetime.fromisoformat("2026-10-25T08:00Z"): 1,
        datetime.fromisoformat("2026-10-26T08:00Z"): 1,
    }


def test_mails_wait_for_the_recipients_own_hours(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + WINDOW % "")
    zones = {
        "anna": "America/New_York",  # 5:00 there
        "bert": "Asia/Tokyo",  # 18:00
        "carla": "Pacific/Auckland",  # 21:00
        "dora": None,
        "emil": "Mars/Olympus",
    }
    for name, zone in zones.items():
        shop.add(name)
        shop.execute("update marts.customers set time_zone = %s where customer_id = %s", zone, name)
    (edition,) = shop.plan()
    assert dict(shop.execute("select customer_id, due_at from activation.messages")) == {
        "anna": datetime.fromisoformat("2026-06-29T13:00Z"),
        "bert": MONDAY,
        "carla": datetime.fromisoformat("2026-06-29T21:00Z"),
        "dora": MONDAY,
        "emil": MONDAY,
    }
    assert edition.due_at == MONDAY
