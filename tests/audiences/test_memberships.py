"""Memberships through time: who enters, who leaves, what a merge, a rebuild and a lost segment do."""

import pytest

from audiences.hand_made_segments import Shop, at
from rapport.audiences import memberships
from rapport.errors import ConfigurationError


def test_entering_staying_and_leaving(shop: Shop) -> None:
    shop.segment("loyal", "anna", "ben")
    shop.run(1, "loyal")
    assert shop.sizes == {"loyal": 2}
    shop.segment("loyal", "ben", "cleo", reason="another")
    shop.run(2, "loyal")
    assert shop.memberships == [("anna", 1, 2), ("ben", 1, None), ("cleo", 2, None)]
    assert shop.members == [("loyal", "ben", "another"), ("loyal", "cleo", "another")]
    assert shop.rows("select distinct reason from segments.memberships where customer_id = 'ben'") == [
        ("because",)
    ]


def test_coming_back_is_a_membership_of_its_own(shop: Shop) -> None:
    for day, members in ((1, ["anna"]), (2, []), (3, ["anna"])):
        shop.segment("loyal", *members)
        shop.run(day, "loyal")
    assert shop.memberships == [("anna", 1, 2), ("anna", 3, None)]


def test_an_empty_segment_has_a_size_too(shop: Shop) -> None:
    shop.segment("loyal")
    shop.run(1, "loyal")
    assert shop.sizes == {"loyal": 0}


def test_the_same_as_of_twice_writes_nothing(shop: Shop) -> None:
    shop.segment("loyal", "anna", "ben")
    shop.run(1, "loyal")
    shop.segment("loyal", "ben")
    shop.run(2, "loyal")
    everything = "select ctid::text, * from segments.{} order by 1"
    before = [shop.rows(everything.format(table)) for table in ("memberships", "members")]
    shop.run(2, "loyal")
    assert [shop.rows(everything.format(table)) for table in ("memberships", "members")] == before


def test_what_the_same_as_of_decides_anew_leaves_no_trace_of_the_first_decision(shop: Shop) -> None:
    shop.segment("loyal", "anna")
    shop.run(1, "loyal")
    shop.segment("loyal", "ben")
    shop.run(2, "loyal")
    shop.segment("loyal", "anna")
    shop.run(2, "loyal")
    assert shop.memberships == [("anna", 1, None)]


def test_a_rebuild_forgets_what_came_after_it(shop: Shop) -> None:
    for day, members in ((1, ["anna", "ben"]), (3, ["ben", "cleo"]), (4, ["cleo"])):
        shop.segment("loyal", *members)
        shop.run(day, "loyal")
    shop.segment("loyal", "anna", "ben")
    shop.run(2, "loyal")
    assert shop.memberships == [("anna", 1, None), ("ben", 1, None)]


def test_a_rebuild_to_the_moment_of_a_return_keeps_both_stays(shop: Shop) -> None:
    """The old and the surviving customer's stays meet at day 3: neither may be opened twice."""
    shop.segment("loyal", "anna", "ben")
    shop.run(1, "loyal")
    shop.segment("loyal", "ben")
    shop.run(3, "loyal")
    shop.merge("ben", "anna")
    shop.segment("loyal", "anna")
    shop.run(4, "loyal")
    assert shop.memberships == [("anna", 1, 3), ("anna", 3, None)]
    shop.run(3, "loyal")
    assert shop.memberships == [("anna", 1, 3), ("anna", 3, None)]


def test_a_merged_customer_stays_in_under_the_surviving_id(shop: Shop) -> None:
    shop.segment("loyal", "ben")
    shop.run(1, "loyal")
    shop.merge("ben", "anna")
    shop.segment("loyal", "anna")
    shop.run(2, "loyal")
    assert shop.memberships == [("anna", 1, None)]


def test_of_two_merged_members_the_survivor_goes_on(shop: Shop) -> None:
    shop.segment("loyal", "ben")
    shop.run(1, "loyal")
    shop.segment("loyal", "anna", "ben")
    shop.run(2, "loyal")
    shop.merge("ben", "anna")
    shop.segment("loyal", "anna")
    shop.run(3, "loyal")
    assert shop.memberships == [("anna", 2, None), ("ben", 1, 3)]


def test_of_two_customers_merged_into_a_third_the_longer_stay_goes_on(shop: Shop) -> None:
    shop.segment("loyal", "cleo")
    shop.run(1, "loyal")
    shop.segment("loyal", "ben", "cleo")
    shop.run(2, "loyal")
    shop.merge("ben", "anna")
    shop.merge("cleo", "anna")
    shop.segment("loyal", "anna")
    shop.run(3, "loyal")
    assert shop.memberships == [("anna", 1, None), ("ben", 2, 3)]


def test_a_merged_customer_who_no_longer_belongs_leaves(shop: Shop) -> None:
    shop.segment("loyal", "ben")
    shop.run(1, "loyal")
    shop.merge("ben", "anna")
    shop.segment("loyal")
    shop.run(2, "loyal")
    assert shop.memberships == [("ben", 1, 2)]


def test_a_segment_that_is_gone_is_closed_and_emptied(shop: Shop) -> None:
    shop.segment("loyal", "anna")
    shop.segment("odd Name; drop", "anna")
    shop.run(1, "loyal", "odd Name; drop")
    assert shop.sizes == {"loyal": 1, "odd Name; drop": 1}
    shop.run(2, "loyal")
    assert shop.members == [("loyal", "anna", "because")]
    assert shop.rows("select segment, left_at from segments.memberships where left_at is not null") == [
        ("odd Name; drop", at(2))
    ]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("select 'anna' as customer, 'x' as reason", "has no column customer_id;"),
        ("select 'anna' as who, 'x' as why", "no column customer_id and no column reason;"),
        (
            "select 'anna' as customer_id, 'x' as reason from generate_series(1, 2)",
            "2 rows for customer anna;",
        ),
        ("select null::text as customer_id, 'x' as reason", "a row without customer_id;"),
        ("select 'anna' as customer_id, null::text as reason", "no reason for customer anna;"),
    ],
)
def test_a_view_that_breaks_the_contract_is_refused(shop: Shop, body: str, fault: str) -> None:
    shop.segment("loyal", "anna")
    shop.run(1, "loyal")
    before = shop.memberships
    shop.view("loyal", body)
    with pytest.raises(ConfigurationError, match=fault) as refusal:
        shop.run(2, "loyal")
    assert "models/segments/loyal.sql" in str(refusal.value)
    assert "one row per customer with the columns customer_id and reason" in str(refusal.value)
    assert shop.memberships == before


def test_a_segment_without_a_view_is_refused(shop: Shop) -> None:
    with pytest.raises(ConfigurationError, match=r"loyal\.sql: there is no view segments\.loyal"):
        shop.run(1, "loyal")


def test_killed_before_the_end_it_has_done_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.segment("loyal", "anna")
    with monkeypatch.context() as patch:
        patch.setattr(memberships, "_replace_members", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            shop.run(1, "loyal")
    assert shop.memberships == []
