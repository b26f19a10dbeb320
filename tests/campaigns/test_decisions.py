"""Approving, rejecting, pausing and resuming."""

from typing import Any

import pytest

from campaigns.small_shop import WEEKLY, SmallShop
from rapport import warehouse
from rapport.campaigns import decisions
from rapport.errors import DecisionRefused

EDITION = "weekly/2026-06-29T09:00:00Z"


@pytest.fixture
def awaiting(shop: SmallShop) -> SmallShop:
    shop.add("anna")
    shop.plan()
    shop.execute("update activation.editions set state = 'awaiting_approval'")
    return shop


def asked(shop: SmallShop, query: str) -> list[tuple[Any, ...]]:
    with warehouse.connect(shop.url) as connection:
        return connection.execute(query).fetchall()


def edition_hash(shop: SmallShop) -> str:
    return str(asked(shop, "select edition_hash from activation.editions")[0][0])


def state(shop: SmallShop) -> tuple[str, str | None]:
    ((state, reason),) = asked(shop, "select state, state_reason from activation.editions")
    return state, reason


def test_an_approval_names_the_plan_that_it_is_for(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        with pytest.raises(DecisionRefused, match="planned afresh since you saw it"):
            decisions.approve(connection, EDITION, "another", by="mia", through="command")
        decisions.approve(
            connection, EDITION, edition_hash(awaiting), by="mia", through="command", comment="well"
        )
    assert state(awaiting) == ("approved", None)
    assert asked(awaiting, "select decision, decided_by, comment from activation.approvals") == [
        ("approved", "mia", "well")
    ]


def test_an_approval_comes_in_time_or_not_at_all(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        connection.execute("update activation.editions set planned_at = now() - interval '24 hours'")
        with pytest.raises(DecisionRefused, match="was to be approved within its campaign's approval_within"):
            decisions.approve(connection, EDITION, edition_hash(awaiting), by="mia", through="page")
        connection.execute("update activation.editions set planned_at = now() - interval '23 hours'")
        decisions.approve(connection, EDITION, edition_hash(awaiting), by="mia", through="page")


def test_what_awaits_no_approval_cannot_be_approved(awaiting: SmallShop) -> None:
    awaiting.execute("update activation.editions set state = 'held'")
    with warehouse.connect(awaiting.url) as connection:
        with pytest.raises(DecisionRefused, match="is held; only one that awaits approval"):
            decisions.approve(connection, EDITION, edition_hash(awaiting), by="mia", through="page")
        with pytest.raises(DecisionRefused, match="there is no edition weekly/never"):
            decisions.approve(connection, "weekly/never", "x", by="mia", through="page")


def test_what_is_rejected_is_sent_to_nobody(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        assert decisions.reject(connection, EDITION, by="mia", through="page", comment="not now") == 1
        assert state(awaiting) == ("cancelled", "by_hand")
        with pytest.raises(DecisionRefused, match="is cancelled; there is nothing to cancel"):
            decisions.reject(connection, EDITION, by="mia", through="page")
    assert awaiting.messages() == {"anna": ("cancelled", "by_hand")}


@pytest.mark.parametrize("was_sent", [True, False])
def test_arms_are_forgotten_only_where_nothing_was_sent(shop: SmallShop, was_sent: bool) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY + "holdout: 0.5\n")
    for number in range(8):
        shop.add(f"c{number}")
    shop.plan()
    if was_sent:
        shop.execute(
            """
            update activation.messages set state = 'accepted'
            where message_id in (select message_id from activation.messages where state = 'planned' limit 1)
            """
        )
    with warehouse.connect(shop.url) as connection:
        decisions.reject(connection, EDITION, by="mia", through="command")
    assert asked(shop, "select count(*) from activation.arms") == [(8 if was_sent else 0,)]


def test_a_paused_campaign_goes_on_where_it_stopped(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        decisions.approve(connection, EDITION, edition_hash(awaiting), by="mia", through="command")
        assert decisions.pause(connection, "weekly", by="mia", reason="a typo")
        assert not decisions.pause(connection, "weekly", by="ben")
        assert state(awaiting) == ("paused", "a typo")
        assert decisions.resume(connection, "weekly", by="mia")
        assert not decisions.resume(connection, "weekly", by="mia")
    assert state(awaiting) == ("approved", None)


def test_what_is_approved_while_its_campaign_is_paused_waits(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        decisions.pause(connection, "weekly", by="mia")
        decisions.approve(connection, EDITION, edition_hash(awaiting), by="mia", through="command")
        assert state(awaiting)[0] == "paused"


def test_the_pause_of_everything_is_one_and_leaves_editions_as_they_are(awaiting: SmallShop) -> None:
    with warehouse.connect(awaiting.url) as connection:
        assert decisions.pause(connection, None, by="mia")
        assert not decisions.pause(connection, None, by="mia")
        assert state(awaiting)[0] == "awaiting_approval"
        assert decisions.resume(connection, None, by="mia")
        assert decisions.pause(connection, None, by="mia")
