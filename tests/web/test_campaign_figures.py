"""The figures of campaigns' pages: the funnel's lines, the calendar's days, results as they are drawn."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from rapport.campaigns.campaign import Campaign
from rapport.campaigns.effects import Arm, comparisons, effect
from rapport.campaigns.results import CampaignResults, Funnel, LastTouch, Period
from rapport.campaigns.results_printing import sentences
from rapport.web import rendering
from rapport.web.pages.campaigns import calendar, wording
from rapport.web.pages.campaigns.editions import Edition
from rapport.web.pages.campaigns.funnel import Counts, funnel
from rapport.web.pages.campaigns.standing import slots_between

ENDS = datetime(2026, 6, 1, tzinfo=UTC)
EDITION = Edition(
    "letter/2026-06-01T09:00:00Z", "letter", None, datetime(2026, 6, 1, 9, tzinfo=UTC), ENDS, None, "done",
    None, "x", ENDS, None, None, None, None, None, None, None,
)  # fmt: skip


def test_who_fell_away_and_who_is_left_are_all_candidates() -> None:
    bars = funnel(
        Counts(
            {"no_consent": 30, "holdout": 10}, 60, expired=1, cancelled=2, rejected=3, uncertain=4, unknown=5,
            waiting=6, sent=39, delivered=30, failed=4, clicked=3, converted=6,
        ),
        "order",
    )  # fmt: skip
    stage, told = "", {}
    for bar in bars:
        if bar.kind == "stage":
            stage = bar.label
        else:
            told.setdefault(stage, []).append(bar.count)
    stages = {bar.label: bar.count for bar in bars if bar.kind == "stage"}
    assert stages == {
        "Candidates": 100, "Planned mails": 60, "Sent": 39, "Delivered": 30, "Clicked by a person": 3,
        "Bought": 6,
    }  # fmt: skip
    assert stages["Candidates"] - sum(told["Candidates"]) == stages["Planned mails"]
    assert stages["Planned mails"] - sum(told["Planned mails"]) == stages["Sent"]
    assert stages["Sent"] - sum(told["Sent"]) == stages["Delivered"]
    bought = bars[-1]
    assert bought.of_stage == 6 / 39, "those who bought need not have clicked"
    first, second = bars[1:3]
    assert (first.start, second.start) == (pytest.approx(0.7), pytest.approx(0.6)), (
        "each where the last ended"
    )


def test_an_edition_for_nobody_has_a_funnel() -> None:
    assert [(bar.count, bar.of_stage) for bar in funnel(Counts({}, 0), None)] == [(0, None), (0, None)]


def test_the_calendar_has_whole_weeks_with_each_edition_on_its_day() -> None:
    month = calendar.month(date(2026, 6, 1), date(2026, 6, 3), [EDITION], [ENDS + timedelta(days=30)])
    assert [len(week) for week in month.weeks] == [7] * 5
    (first, *others) = [day for week in month.weeks for day in week]
    assert (first.day, first.editions) == (date(2026, 6, 1), [EDITION])
    assert [day.day for day in others if day.slots] == [date(2026, 7, 1)]
    assert [day.day for day in others if day.is_today] == [date(2026, 6, 3)]
    assert (month.before, month.after) == ("2026-05", "2026-07")


@pytest.mark.parametrize("written", [None, "", "2026", "2026-13", "0001-01", "x-y", "9999-12"])
def test_a_month_that_is_none_is_this_one(written: str | None) -> None:
    assert calendar.first_of_month(written, date(2026, 6, 30)) == date(2026, 6, 1)


def test_the_slots_of_a_schedule_end_before_the_end() -> None:
    campaign = Campaign(
        name="letter", sources={}, description="A letter.", trigger={"schedule": "0 9 * * 1"}, topic="news",
        audience={"include": ["active"]}, subject="a", preheader="b", template="c",
    )  # fmt: skip
    monday = datetime(2026, 6, 1, 9, tzinfo=UTC)
    assert slots_between(campaign, ENDS, monday + timedelta(days=7)) == [monday]


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 8 * * 2", "on Tuesdays at 08:00"),
        ("30 7 * * *", "every day at 07:30"),
        ("0 9 22 * *", "on day 22 of each month at 09:00"),
        ("0 9 * * 1,4", "on Mondays, Thursdays at 09:00"),
        ("*/5 * * * *", None),
        ("0 9 1 1 *", None),
    ],
)
def test_a_plain_schedule_is_told_in_words(cron: str, words: str | None) -> None:
    assert wording.schedule_in_words(cron) == words


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("stale_source: carts", "The feed carts is late: its newest records are older than it allows."),
        ("sending: 3 complaints about 9 delivered mails", "Sending was stopped: 3 complaints about 9"),
        ("a person: their own words", "a person: their own words"),
        (None, ""),
    ],
)
def test_a_reason_is_told_in_words(reason: str | None, sentence: str) -> None:
    assert wording.held_because(reason).startswith(sentence)


def results(known_until: datetime) -> CampaignResults:
    arms = {"a": Arm(1000, 60, 60), "b": Arm(1000, 90, 90)}
    treatment, holdout = Arm(2000, 150, 150), Arm(2000, 90, 90)
    period = Period(
        1, ENDS, ENDS, ENDS, known_until >= ENDS, treatment,
        effect(treatment, holdout, ends_at=ENDS, known_until=known_until), arms,
        comparisons(arms, ends_at=ENDS, known_until=known_until), 0, 0,
    )  # fmt: skip
    counted = Funnel(0, 2000, 1900, 100, 3, 2, 1, 50, 150, Decimal(1000))
    return CampaignResults("letter", known_until, "EUR", counted, [period], [], LastTouch(7, Decimal("70.5")))


def drawn(found: CampaignResults) -> str:
    shown = rendering._ENVIRONMENT.get_template("campaigns/results.html").module
    return str(shown.whole(found, None, sentences, {"a": "One", "b": "<Two>"}, "Bought", "EUR"))  # type: ignore[attr-defined]


def test_lift_is_drawn_with_its_interval_once_it_is_measured() -> None:
    html = drawn(results(ENDS))
    (lift, variants) = re.findall(r'<svg class="interval (\w+)" role="img" aria-label="([^"]+)"', html)
    assert lift[0] == "good"
    assert re.search(r"changed by \+3\.00 percentage points, 95 % interval \+1\.\d\d to \+4\.\d\d", lift[1])
    assert variants[1].startswith("a less b: -3.00 percentage points")
    assert "&lt;Two&gt;" in html
    assert "not incremental" in html


def test_before_the_end_there_is_no_interval_and_no_figure_to_look_at() -> None:
    html = drawn(results(ENDS - timedelta(days=1)))
    assert "Collecting" in html
    assert "<svg" not in html
    assert "150" not in re.sub(r"<dl.*?</dl>", "", html, flags=re.DOTALL)


def test_without_a_holdout_nothing_is_said_to_be_changed() -> None:
    found = results(ENDS)
    html = drawn(
        replace(found, periods=[replace(found.periods[0], effect=None, variants={}, comparisons=[])])
    )
    assert "Nobody was held out" in html
    assert "<svg" not in html
