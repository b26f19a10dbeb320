"""What is left of those who got nothing after 90 days: a number."""

from datetime import timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, WEEKLY, SmallShop
from rapport import steps, warehouse
from rapport.campaigns.forgetting import any_skipped_long_ago, forget_skipped
from rapport.settings import Settings


def tried(shop: SmallShop) -> None:
    """An edition of this Monday with somebody who is planned, held out, without consent, without a code."""
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.5\nvoucher: summer\n")
    for number in range(12):
        shop.add(f"p{number}")
        shop.execute("insert into activation.vouchers (pool, code) values ('summer', %s)", f"S{number}")
    shop.add("no_consent", topics=())
    shop.plan()
    shop.execute(
        """
        update activation.messages set state = 'skipped', state_reason = 'suppressed'
        where message_id in (select message_id from activation.messages where state = 'planned' limit 1)
        """
    )


def test_the_rows_of_the_skipped_go_and_their_number_stays(shop: SmallShop) -> None:
    tried(shop)
    expired = MONDAY + 2 * DAY
    before = shop.execute("select count(*) from activation.messages")[0][0]
    with warehouse.connect(shop.url, autocommit=True) as connection:
        assert not any_skipped_long_ago(connection, expired + 90 * DAY)
        assert forget_skipped(connection, expired + 90 * DAY) == 0
        later = expired + 90 * DAY + timedelta(seconds=1)
        assert any_skipped_long_ago(connection, later)
        assert forget_skipped(connection, later) == 2
        assert not any_skipped_long_ago(connection, later)
        assert forget_skipped(connection, later + DAY) == 0
    left = {reason for (reason,) in shop.execute("select distinct state_reason from activation.messages")}
    assert left == {None, "holdout"}
    assert shop.execute("select count(*) from activation.messages") == [(before - 2,)]
    counts = dict(shop.execute("select reason, messages from activation.edition_counts"))
    assert (counts["no_consent"], counts["suppressed"]) == (1, 1)
    planned = shop.execute("select count(*) from activation.messages where state = 'planned'")
    assert shop.execute("select count(*) from activation.vouchers where message_id is not null") == planned


def test_tidy_does_it_and_says_so(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    tried(shop)
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda _: shop.settings))
    monkeypatch.setattr(warehouse, "ensure", lambda _: shop.url)
    assert steps.tidy("tidy", None, MONDAY + 90 * DAY) == "nothing was old enough to be removed"
    assert steps.tidy("tidy", None, MONDAY + 93 * DAY) == "removed 2 rows of people whom a campaign skipped"
