"""Linear steps with waits: who comes next, when, and who has left."""

from datetime import datetime, timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, WELCOME, SmallShop
from rapport.campaigns.planned_editions import EditionSummary

HOUR = timedelta(hours=1)
JOURNEY = (
    WELCOME
    + """
goal: {event: order}
expires_after: 2d
journey:
  - {name: hello}
  - {name: reminder, wait: 3d}
  - {name: last, wait: 1w}
"""
)


@pytest.fixture
def journey(shop: SmallShop) -> SmallShop:
    shop.write("campaigns/weekly.yml", JOURNEY)
    shop.write("delivery.yml", "caps: {marketing: {messages: 9, per: 7d}}")
    shop.add("anna", segments=("new_customers",))
    return shop


def sent(shop: SmallShop, edition: EditionSummary, at: datetime, state: str = "accepted") -> None:
    shop.execute(
        """
        update activation.messages
        set state = %s, claimed_at = %s, accepted_at = case when %s = 'accepted' then %s end
        where edition_id = %s and state = 'planned'
        """,
        state,
        at,
        state,
        at,
        edition.edition_id,
    )


def names(editions: list[EditionSummary]) -> list[str]:
    return [edition.edition_id for edition in editions]


def test_each_step_waits_from_when_the_mail_before_it_was_accepted(journey: SmallShop) -> None:
    (hello,) = journey.plan()
    assert hello.edition_id == "weekly/hello/2026-06-29T09:00:00Z"
    assert journey.plan(MONDAY + 3 * DAY) == []  # it has not left yet
    sent(journey, hello, MONDAY + 5 * HOUR)
    assert journey.plan(MONDAY + DAY) == []
    (reminder,) = journey.plan(MONDAY + 2 * DAY + 6 * HOUR)
    assert reminder.edition_id == "weekly/reminder/2026-07-01T15:00:00Z"
    assert reminder.due_at == MONDAY + 3 * DAY + 5 * HOUR
    assert journey.plan(MONDAY + 3 * DAY) == []
    sent(journey, reminder, MONDAY + 4 * DAY)
    assert journey.plan(MONDAY + 9 * DAY) == []
    (last,) = journey.plan(MONDAY + 11 * DAY)
    assert (last.edition_id, last.due_at) == ("weekly/last/2026-07-10T09:00:00Z", MONDAY + 11 * DAY)
    sent(journey, last, MONDAY + 11 * DAY)
    assert journey.plan(MONDAY + 20 * DAY) == []
    assert journey.execute("select edition_id, step from activation.editions order by slot_at") == [
        (hello.edition_id, "hello"),
        (reminder.edition_id, "reminder"),
        (last.edition_id, "last"),
    ]


def test_who_leaves_the_segment_goes_on_and_who_enters_an_excluded_one_does_not(journey: SmallShop) -> None:
    journey.write("campaigns/weekly.yml", JOURNEY + "audience: {exclude: [unhappy]}\n")
    journey.add("bert", segments=("new_customers",))
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    for name in ("anna", "bert"):
        journey.leave(name, "new_customers")
    journey.enter("bert", "unhappy")
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    assert reminder.planned == 1
    assert journey.messages()["anna"] == ("planned", None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("update marts.customers set last_order_at = '2026-06-30'", "goal_reached"),
        ("update marts.consents set is_granted = false", "no_consent"),
        (
            "insert into activation.suppressions select recipient_key, 'all', 'unsubscribed', '2026-06-30'"
            " from activation.recipients",
            "suppressed",
        ),
    ],
)
def test_the_goal_and_the_unsubscription_end_it(journey: SmallShop, change: str, reason: str) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    journey.execute(change)
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    assert (reminder.planned, reminder.skipped) == (0, {reason: 1})
    journey.execute("update marts.customers set last_order_at = null")
    assert journey.plan(MONDAY + 10 * DAY) == []


@pytest.mark.parametrize("state", ["expired", "uncertain", "unknown", "rejected"])
def test_a_mail_that_never_arrived_does_not_stop_the_journey(journey: SmallShop, state: str) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY, state)
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    assert (reminder.due_at, reminder.planned) == (MONDAY + 3 * DAY, 1)


def test_a_step_that_was_over_the_cap_is_passed_over(journey: SmallShop) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    journey.write("delivery.yml", "caps: {marketing: {messages: 1, per: 7d}}")
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    assert reminder.skipped == {"frequency_cap": 1}
    (last,) = journey.plan(MONDAY + 10 * DAY)
    assert (last.due_at, last.planned) == (MONDAY + 10 * DAY, 1)


def test_a_step_whose_time_went_by_while_nothing_ran_is_dropped_and_the_next_comes(
    journey: SmallShop,
) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    journey.plan(MONDAY + 6 * DAY)
    assert journey.messages()["anna"] == ("expired", "too_late")
    (last,) = journey.plan(MONDAY + 12 * DAY)
    assert (last.edition_id, last.planned) == ("weekly/last/2026-07-11T09:00:00Z", 1)


def test_the_holdout_of_a_journey_gets_no_step(journey: SmallShop) -> None:
    journey.write("campaigns/weekly.yml", JOURNEY + "holdout: 0.9\n")
    for number in range(12):
        journey.add(f"p{number}", segments=("new_customers",))
    (hello,) = journey.plan()
    assert hello.skipped["holdout"] > 0
    sent(journey, hello, MONDAY)
    journey.plan(MONDAY + 3 * DAY)
    in_reminder = journey.execute("select count(*) from activation.messages where due_at > %s", MONDAY)
    assert in_reminder == [(hello.planned,)]


def test_two_of_a_journey_who_turn_out_to_be_one_get_the_next_step_once(journey: SmallShop) -> None:
    journey.add("anne", segments=("new_customers",))
    run = journey.run()
    (hello,) = journey.plan(run=run)
    sent(journey, hello, MONDAY)
    journey.leave("anna", "new_customers")
    journey.merge("anna", "anne", run)
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    assert reminder.planned == 1
    sent(journey, reminder, MONDAY + 3 * DAY)
    assert journey.plan(MONDAY + 3 * DAY + HOUR) == []
    journey.execute("delete from identity.merges")
    journey.add("anna", segments=())
    journey.execute("insert into segments.members values ('new_customers', 'anna', 'test')")
    journey.execute("update segments.memberships set entered_at = %s", MONDAY + 4 * DAY)
    later = journey.plan(MONDAY + 5 * DAY)
    assert [edition.skipped for edition in later if edition.edition_id.startswith("weekly/hello")] == [
        {"re_entry": 2}
    ]


def test_who_was_merged_between_steps_is_considered_once_for_each(journey: SmallShop) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    sent(journey, reminder, MONDAY + 3 * DAY)
    journey.add("anne", segments=())
    journey.leave("anna", "new_customers")
    journey.merge("anna", "anne", journey.run(MONDAY + 3 * DAY))
    assert journey.plan(MONDAY + 3 * DAY + HOUR) == []
    (last,) = journey.plan(MONDAY + 10 * DAY)
    assert last.planned == 1
    assert journey.plan(MONDAY + 10 * DAY + HOUR) == []


def test_planning_again_and_rebuilt_memberships_give_no_second_step(journey: SmallShop) -> None:
    (hello,) = journey.plan()
    sent(journey, hello, MONDAY)
    (reminder,) = journey.plan(MONDAY + 3 * DAY)
    journey.execute("update segments.memberships set entered_at = %s", MONDAY - 7 * HOUR)
    again = journey.plan(MONDAY + 3 * DAY) + journey.plan(MONDAY + 3 * DAY + HOUR)
    assert sum(edition.planned for edition in again) == 0
    sent(journey, reminder, MONDAY + 3 * DAY)
    planned = [
        edition for day in range(4, 14) for edition in journey.plan(MONDAY + day * DAY) if edition.planned
    ]
    assert [edition.edition_id.split("/")[1] for edition in planned] == ["last"]


def test_the_first_step_may_wait_too(journey: SmallShop) -> None:
    journey.write("campaigns/weekly.yml", JOURNEY.replace("{name: hello}", "{name: hello, wait: 2d}"))
    assert journey.plan(MONDAY) == []
    (hello,) = journey.plan(MONDAY + DAY + HOUR)
    assert (hello.due_at, hello.planned) == (MONDAY + 2 * DAY, 1)
