"""A warehouse from a backup boots with every edition held."""

import psycopg
import pytest

from campaigns.small_shop import DAY, MONDAY, SmallShop
from delivery.live_shop import LiveShop
from rapport import warehouse
from rapport.delivery.outbox import send_due
from rapport.delivery.restored import hold_what_was_restored, release
from rapport.errors import DecisionRefused


def test_a_database_that_was_restored_beside_the_old_one_holds_every_edition(shop: SmallShop) -> None:
    shop.add("anna")
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    shop.add("bert")
    shop.write("campaigns/second.yml", (shop.settings.config / "campaigns/weekly.yml").read_text())
    shop.plan()
    server, _, name = shop.url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}_restored template {name}")
    try:
        counts = send_due(f"{shop.url}_restored", shop.settings, now=MONDAY)
        assert counts.accepted == 0
        restored = SmallShop(f"{shop.url}_restored", shop.settings)
        assert restored.editions()["second/2026-06-29T09:00:00Z"] == ("held", "restored")
        assert restored.editions()["weekly/2026-06-29T09:00:00Z"] == ("done", None)
        assert restored.execute("select campaign, reason from activation.pauses") == [(None, "restored")]
        # No run plans it afresh: of its people nobody knows who got it.
        restored.plan()
        restored.plan(MONDAY + 7 * DAY)
        assert restored.editions()["second/2026-06-29T09:00:00Z"] == ("held", "restored")
        # What is planned from now on waits too, until somebody has looked and resumes.
        shop.write("campaigns/third.yml", (shop.settings.config / "campaigns/weekly.yml").read_text())
        restored.plan()
        assert send_due(restored.url, shop.settings, now=MONDAY).accepted == 0
        restored.execute("update activation.pauses set resumed_at = now()")
        with warehouse.connect(restored.url) as connection:
            release(connection, "second/2026-06-29T09:00:00Z")
            with pytest.raises(DecisionRefused):
                release(connection, "weekly/2026-06-29T09:00:00Z")
        assert restored.editions()["second/2026-06-29T09:00:00Z"] == ("awaiting_approval", None)
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"drop database {name}_restored with (force)")
    assert send_due(shop.url, shop.settings, now=MONDAY).accepted > 0


def test_a_warehouse_that_went_back_in_place_is_noticed_by_its_attempts(live: LiveShop) -> None:
    live.people(3)
    live.send()
    last = live.shop.execute("select max(attempt_id) from activation.attempts")[0][0]
    # As a file system's snapshot of before would have it.
    live.shop.execute(
        "update activation.messages set state = 'planned', claimed_at = null, attempt_id = null"
    )
    live.shop.execute("delete from activation.attempts")
    live.shop.execute("update activation.editions set state = 'approved'")
    assert live.send().accepted == 0
    assert live.edition() == ("held", "restored")
    assert len(live.accepted()) == 3
    # The numbers of attempts that were lost are not given again: their events would be taken for others'.
    (number,) = live.shop.execute(
        "select nextval(pg_get_serial_sequence('activation.attempts', 'attempt_id'))"
    )
    assert number[0] > last + 100_000


def test_another_timeline_or_server_is_another_place(live: LiveShop, monkeypatch: pytest.MonkeyPatch) -> None:
    with warehouse.connect(live.shop.url, autocommit=True) as connection:
        assert not hold_what_was_restored(connection, live.shop.settings)
        assert not hold_what_was_restored(connection, live.shop.settings)
        ((place,),) = live.shop.execute("select place from activation.warehouse_mark")
        oid, system, timeline = place.split("/")
        assert "?" not in place
        for other in (f"1/{system}/{timeline}", f"{oid}/1/{timeline}", f"{oid}/{system}/9"):
            live.shop.execute("update activation.warehouse_mark set place = %s", other)
            assert hold_what_was_restored(connection, live.shop.settings)
            assert not hold_what_was_restored(connection, live.shop.settings)
