"""Tickets, the service desk's days and experience equal a second computation, to the minute."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import parcels
import psycopg
import pytest
import service_count
from scipy import stats
from service_count import WEEK, Office, Ticket

from rapport.demo.shop import END, write_shop
from rapport.service_hours import read_service_hours
from rapport.settings import PROJECT, Settings

# In opening hours, with tickets that are open.
AS_OF = END - timedelta(days=29, hours=-10)


@dataclass(frozen=True)
class Desk:
    """The marts as they were built, and the tickets as they were counted."""

    as_of: pd.Timestamp
    office: Office
    counted: dict[str, Ticket]
    tickets: pd.DataFrame
    daily: pd.DataFrame
    times: pd.DataFrame
    experience: pd.DataFrame
    surveys: pd.DataFrame
    answers: pd.DataFrame
    answer_days: pd.DataFrame
    open_periods: pd.DataFrame
    ticket_days: pd.DataFrame
    members: pd.DataFrame
    pain_points: pd.DataFrame
    sales: pd.DataFrame


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, postgres, template: str) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("service")
    shop = home / "shop"
    write_shop(shop, seed=5, customers=500)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database service template {template}")
        try:
            url = postgres.url("service")
            settings = Settings(home, PROJECT / "config", url, None, None)
            parcels.load(settings, shop)
            parcels.build(settings, AS_OF)
            put_into_segments(url)
            yield read(settings, shop, AS_OF)
        finally:
            connection.execute("drop database service with (force)")


def put_into_segments(url: str) -> None:
    """Every third customer into one segment, every second into another: many are in both or in none."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            insert into segments.members (segment, customer_id, reason)
            select segment, customer_id, 'by its number'
            from (select customer_id, row_number() over (order by customer_id) as number from marts.customers)
                as customers
            cross join (values ('third', 3), ('second', 2)) as segments (segment, every)
            where number % every = 0
            """
        )


def read(settings: Settings, shop: Path, as_of: datetime) -> Desk:
    hours = read_service_hours(settings)
    assert hours is not None
    now = pd.Timestamp(as_of)
    holidays = set(hours.calendars["office"].holidays)
    office = Office.of(now.floor("D") - pd.Timedelta(days=700), now.ceil("D"), holidays)
    with psycopg.connect(str(settings.warehouse_url), options="-c timezone=UTC") as connection:

        def frame(query: str) -> pd.DataFrame:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            names = [column.name for column in cursor.description or ()]
            return pd.DataFrame(cursor.fetchall(), columns=names, dtype="object")

        return Desk(
            as_of=now,
            office=office,
            counted=service_count.tickets(shop, now, office),
            tickets=frame("select * from marts.tickets").set_index("ticket_id"),
            daily=frame("select * from marts.service_daily"),
            times=frame("select * from marts.service_times"),
            experience=frame("select * from marts.experience"),
            surveys=pd.concat(map(pd.read_parquet, (shop / "survey_responses").iterdir())),
            answers=frame("select * from marts.answers"),
            answer_days=frame("select * from marts.experience_daily"),
            open_periods=frame("select * from marts.ticket_open_periods order by began_at"),
            ticket_days=frame("select * from marts.ticket_days"),
            members=frame("select segment, customer_id from segments.members"),
            pain_points=frame("select * from marts.pain_points"),
            sales=frame("select * from intermediate.int_sales_converted where customer_id is not null"),
        )


def same(found: object, expected: object) -> bool:
    """Equal to the hundredth, or both unknown."""
    if pd.isna(expected) or pd.isna(found):
        return bool(pd.isna(expected) and pd.isna(found))
    if isinstance(expected, float):
        return abs(float(found) - expected) < 0.011  # type: ignore[arg-type]
    return bool(found == expected)


def differences(desk: Desk, expected: dict[str, dict[str, object]]) -> list[tuple]:
    """(ticket, column, found, expected) of what differs."""
    assert set(expected) == set(desk.tickets.index)
    return [
        (ident, column, desk.tickets.at[ident, column], value)
        for ident, columns in expected.items()
        for column, value in columns.items()
        if not same(desk.tickets.at[ident, column], value)
    ]


def elapsed(began: pd.Timestamp, ended: pd.Timestamp | None) -> float | None:
    return None if ended is None or pd.isna(ended) else (ended - began).total_seconds() / 60


def test_each_tickets_times_equal_the_count_to_the_minute(desk: Desk) -> None:
    def business(began: pd.Timestamp, ended: pd.Timestamp | None) -> float | None:
        return None if ended is None or pd.isna(ended) else desk.office.minutes(began, ended)

    expected = {
        ident: {
            "is_open": t.is_open,
            "first_replied_at": t.first_replied_at,
            "resolved_at": t.resolved_at,
            "reply_count": len(t.replies),
            "reopening_count": t.reopenings,
            "hand_over_count": t.hand_overs,
            "csat_score": t.score,
            "first_reply_minutes": elapsed(t.opened_at, t.first_replied_at),
            "first_reply_business_minutes": business(t.opened_at, t.first_replied_at),
            "resolution_minutes": elapsed(t.opened_at, t.resolved_at),
            "resolution_business_minutes": business(t.opened_at, t.resolved_at),
            "agent_wait_minutes": t.waits["agent"],
            "agent_wait_business_minutes": t.business_waits["agent"],
            "customer_wait_minutes": t.waits["customer"],
            "customer_wait_business_minutes": t.business_waits["customer"],
            "age_minutes": elapsed(t.opened_at, desk.as_of) if t.is_open else None,
            "age_business_minutes": business(t.opened_at, desk.as_of) if t.is_open else None,
        }
        for ident, t in desk.counted.items()
    }
    assert differences(desk, expected) == []
    assert sum(t.is_open for t in desk.counted.values()) >= 3
    assert sum(t.reopenings for t in desk.counted.values()) > 10


def test_each_ticket_was_open_when_the_count_says_so(desk: Desk) -> None:
    periods = desk.open_periods.groupby("ticket_id")
    found = {
        ident: [(row.began_at, None if pd.isna(row.ended_at) else row.ended_at) for row in own.itertuples()]
        for ident, own in periods
    }
    assert found == {ident: t.periods for ident, t in desk.counted.items()}
    days = Counter(
        (ident, at.date(), what)
        for ident, t in desk.counted.items()
        for number, (began, ended) in enumerate(t.periods)
        for at, what in ((began, "reopened" if number else "opened"), (ended, "solved"))
        if at is not None
    )
    told = Counter()
    for row in desk.ticket_days.itertuples():
        for what in ("opened", "reopened", "solved"):
            told[row.ticket_id, row.service_date, what] += getattr(row, f"{what}_count")
    assert +told == days
    replied = {(row.ticket_id, row.service_date) for row in desk.ticket_days.itertuples() if row.is_replied}
    assert replied == {
        (ident, t.first_replied_at.date())
        for ident, t in desk.counted.items()
        if pd.notna(t.first_replied_at)
    }


def test_promises_and_first_contacts_equal_the_count(desk: Desk) -> None:
    owners = desk.tickets["customer_id"]
    expected = {}
    for ident, t in desk.counted.items():
        reply, resolution = (240, 960) if t.priority == "high" else (480, 2400)
        end = t.first_replied_at if pd.notna(t.first_replied_at) else desk.as_of
        spent = desk.office.minutes(t.opened_at, end)
        in_time = spent <= reply if pd.notna(t.first_replied_at) or spent > reply else None
        until = desk.office.minutes(t.opened_at, t.resolved_at or desk.as_of)
        resolved_in_time = until <= resolution if t.resolved_at or until > resolution else None
        strict = None
        if not t.is_open:
            later = [
                other
                for name, other in desk.counted.items()
                if owners[name] == owners[ident] and t.opened_at < other.opened_at < t.resolved_at + WEEK
            ]
            strict = len(t.replies) == 1 and t.reopenings == 0 and not later
            strict = strict if not strict or t.resolved_at + WEEK <= desk.as_of else None
        expected[ident] = {
            "is_first_reply_in_time": in_time,
            "is_resolution_in_time": resolved_in_time,
            "is_one_touch": None if t.is_open else len(t.replies) < 2,
            "is_first_contact_resolved": strict,
        }
    assert differences(desk, expected) == []
    kinds = [columns["is_first_contact_resolved"] for columns in expected.values()]
    assert {True, False, None} == set(kinds)


def test_each_day_of_the_desk_equals_the_count(desk: Desk) -> None:
    """The backlog at each midnight is counted ticket by ticket, not added up from steps."""
    found = {
        (row.service_date, row.channel, row.category): row._asdict()
        for row in desk.daily.itertuples(index=False)
    }
    assert len(found) == len(desk.daily)
    first = min(t.opened_at for t in desk.counted.values()).date()
    last = (desk.as_of - pd.Timedelta(microseconds=1)).date()
    seen = set()
    for group in {t.group for t in desk.counted.values()}:
        members = [t for t in desk.counted.values() if t.group == group]
        for day in pd.date_range(first, last).date:
            midnight = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=1)
            waiting = [
                (day - t.opened_at.date()).days
                for t in members
                for began, ended in t.periods
                if began < midnight and (ended is None or ended >= midnight)
            ]
            solved = [t for t in members if t.resolved_at is not None and t.resolved_at.date() == day]
            replied = [
                t for t in members if pd.notna(t.first_replied_at) and t.first_replied_at.date() == day
            ]
            expected = {
                "opened_count": sum(t.opened_at.date() == day for t in members),
                "solved_count": sum(e is not None and e.date() == day for t in members for _, e in t.periods),
                "reopened_count": sum(b.date() == day for t in members for b, _ in t.periods[1:]),
                "backlog_count": len(waiting),
                "backlog_over_1_day_count": sum(age >= 1 for age in waiting),
                "backlog_over_7_days_count": sum(age >= 7 for age in waiting),
                "backlog_over_30_days_count": sum(age >= 30 for age in waiting),
                "backlog_average_age_days": float(np.mean(waiting)) if waiting else None,
                "replied_count": len(replied),
                "resolved_count": len(solved),
                "one_touch_count": sum(len(t.replies) < 2 for t in solved),
                "one_touch_known_count": len(solved),
                **took(desk, "first_reply", [(t, t.first_replied_at) for t in replied]),
                **took(desk, "resolution", [(t, t.resolved_at) for t in solved]),
            }
            row = found.get((day, *group))
            if row is None:
                assert not any(expected.values()), (day, group, expected)
                continue
            seen.add((day, *group))
            unequal = {
                name: (row[name], value) for name, value in expected.items() if not same(row[name], value)
            }
            assert not unequal, (day, group, unequal)
    assert seen == set(found)


def took(desk: Desk, what: str, ended: list[tuple[Ticket, pd.Timestamp]]) -> dict[str, object]:
    """What a day of the desk tells of the tickets that were replied to, or resolved, on it."""
    promised = {"first_reply": (240, 480), "resolution": (960, 2400)}[what]
    calendar = [elapsed(t.opened_at, end) or 0.0 for t, end in ended]
    business = [desk.office.minutes(t.opened_at, end) for t, end in ended]
    in_time = [
        minutes <= promised[t.priority != "high"] for (t, _), minutes in zip(ended, business, strict=True)
    ]
    found: dict[str, object] = {
        f"{what}_promised_count": len(ended),
        f"{what}_in_time_count": sum(in_time),
    }
    for kind, minutes in ("minutes", calendar), ("business_minutes", business):
        found[f"{what}_{kind}_count"] = len(minutes)
        found[f"total_{what}_{kind}"] = float(sum(minutes)) if minutes else None
        found[f"median_{what}_{kind}"] = float(np.median(minutes)) if minutes else None
    return found


def test_medians_of_weeks_and_months_equal_those_of_their_tickets(desk: Desk) -> None:
    starts = {
        "month": lambda at: at.date().replace(day=1),
        "week": lambda at: at.date() - timedelta(at.weekday()),
    }
    columns = {"first_reply": "first_replied_at", "resolution": "resolved_at"}
    tickets = desk.tickets
    checked = 0
    for row in desk.times.itertuples():
        own = pd.Series(True, tickets.index)
        for name in ("channel", "category", "team"):
            if not getattr(row, f"is_any_{name}"):
                value = getattr(row, name)
                own &= tickets[name].isna() if value is None else tickets[name] == value
        for what, moment in columns.items():
            known = own & tickets[moment].notna()
            in_period = tickets.loc[known, moment].map(starts[row.period]) == row.period_start
            for kind in ("", "_business"):
                minutes = tickets.loc[known].loc[in_period, f"{what}{kind}_minutes"].dropna().astype(float)
                assert getattr(row, f"{what}{kind}_minutes_count") == len(minutes)
                for name, quantile in (("median", 0.5), ("slowest_tenth", 0.9)):
                    expected = float(np.quantile(minutes, quantile)) if len(minutes) else None
                    assert same(getattr(row, f"{name}_{what}{kind}_minutes"), expected), row
                    checked += len(minutes) > 0
    assert checked > 1000
    whole = desk.times[
        desk.times["is_any_channel"] & desk.times["is_any_category"] & desk.times["is_any_team"]
    ]
    months = whole[whole["period"] == "month"]
    assert months["resolution_minutes_count"].sum() == tickets["resolution_minutes"].notna().sum()


def test_strict_first_contacts_of_the_days_are_those_of_the_tickets(desk: Desk) -> None:
    daily = desk.daily.groupby("service_date")[["first_contact_resolved_count", "first_contact_known_count"]]
    by_day = daily.agg(lambda values: values.sum(min_count=1) if values.notna().all() else None)
    resolved = desk.tickets[desk.tickets["resolved_at"].notna()]
    days = resolved["resolved_at"].map(lambda at: at.date())
    for day, row in by_day.iterrows():
        own = resolved.loc[days == day, "is_first_contact_resolved"]
        if day + timedelta(days=8) <= desk.as_of.date():
            assert row["first_contact_resolved_count"] == (own == True).sum()  # noqa: E712
            assert row["first_contact_known_count"] == own.notna().sum()
        else:
            assert pd.isna(row["first_contact_resolved_count"])


def test_experience_equals_the_textbooks(desk: Desk) -> None:
    answers = desk.answers.assign(
        month=desk.answers["answered_at"].map(lambda at: at.date().replace(day=1)),
        score=desk.answers["score"].astype(float),
    )
    rows = desk.experience.set_index(["answer_month", "metric", "dimension", "dimension_value"])
    checked = 0
    of_segments = answers.merge(desk.members, on="customer_id")
    for dimension in ("all", "channel", "category", "segment"):
        told = of_segments if dimension == "segment" else answers
        values = told[dimension] if dimension != "all" else pd.Series(None, told.index, dtype=object)
        groups = told.groupby([told["month"], "metric", values.rename("value")], dropna=False)
        for (month, metric, value), group in groups:
            row = rows.loc[[(month, metric, dimension, None if pd.isna(value) else value)]].iloc[0]
            check(row, metric, group["score"].to_numpy())
            checked += 1
    assert checked == len(desk.experience)
    assert set(desk.experience["dimension"]) == {"all", "channel", "category", "segment"}
    assert set(desk.experience["metric"]) == {"nps", "csat", "ces"}


def check(row: pd.Series, metric: str, scores: np.ndarray) -> None:
    count = len(scores)
    assert row["answer_count"] == count
    assert float(row["mean_score"]) == pytest.approx(scores.mean(), abs=1e-4)
    if count > 1 and scores.std() > 0:
        low, high = stats.t.interval(0.95, count - 1, scores.mean(), stats.sem(scores))
        bottom, top = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[metric]
        assert float(row["mean_score_low"]) == pytest.approx(max(low, bottom), abs=0.01)
        assert float(row["mean_score_high"]) == pytest.approx(min(high, top), abs=0.01)
    if metric == "nps":
        assert (row["promoter_count"], row["detractor_count"]) == ((scores >= 9).sum(), (scores <= 6).sum())
        sign = (scores >= 9).astype(int) - (scores <= 6)
        assert float(row["nps"]) == pytest.approx(100 * sign.mean(), abs=0.01)
        # As if 3/4 promoter, 3/4 detractor and 1.5 passives had answered too.
        weights = np.append(np.ones(count), [0.75, 0.75, 1.5])
        padded = np.append(sign, [1, -1, 0])
        mean = np.average(padded, weights=weights)
        error = np.sqrt(np.average((padded - mean) ** 2, weights=weights) / weights.sum())
        low, high = stats.norm.interval(0.95, mean, error)
        assert float(row["nps_low"]) == pytest.approx(100 * max(low, -1), abs=0.01)
        assert float(row["nps_high"]) == pytest.approx(100 * min(high, 1), abs=0.01)
        assert row["satisfied_count"] is None
    else:
        good = int((scores >= {"csat": 4, "ces": 5}[metric]).sum())
        assert (row["satisfied_count"], row["promoter_count"]) == (good, None)
        interval = stats.binomtest(good, count).proportion_ci(0.95, method="wilson")
        assert float(row["satisfied_share"]) == pytest.approx(good / count, abs=1e-4)
        assert float(row["satisfied_share_low"]) == pytest.approx(interval.low, abs=1e-4)
        assert float(row["satisfied_share_high"]) == pytest.approx(interval.high, abs=1e-4)


def test_answers_are_those_of_the_surveys_and_the_ratings(desk: Desk) -> None:
    good = desk.surveys.dropna(subset=["answer", "points"])
    good = good[good["question"].isin(["nps", "csat", "ces"]) & (good["at"] < desk.as_of)]
    expected = {("survey", row.answer, row.question, row.points) for row in good.itertuples()}
    expected |= {("ticket", ident, "csat", t.score) for ident, t in desk.counted.items() if t.score}
    columns = ["kind", "record_id", "metric", "score"]
    found = desk.answers[columns].assign(score=desk.answers["score"].astype(float))
    assert sorted(found.itertuples(index=False, name=None)) == sorted(expected)


def test_days_of_answers_add_up_the_answers(desk: Desk) -> None:
    keys = ["answer_date", "metric", "channel", "category", "team"]
    answers = desk.answers.assign(answer_date=desk.answers["answered_at"].map(lambda at: at.date()))
    found = {tuple(row[name] for name in keys): row for row in desk.answer_days.to_dict("records")}
    groups = answers.groupby([answers[name].fillna("") for name in keys])
    assert len(found) == len(groups)
    for key, own in groups:
        row = found[tuple(value or None for value in key)]
        scores, metric = own["score"].astype(float), key[1]
        good, bad = {"nps": (9, 6), "csat": (4, 2), "ces": (5, 3)}[metric]
        names = ("promoter", "detractor") if metric == "nps" else ("satisfied", "dissatisfied")
        assert (row["answer_count"], float(row["total_score"])) == (len(own), scores.sum())
        assert [row[f"{name}_count"] for name in names] == [(scores >= good).sum(), (scores <= bad).sum()]
        opinions = ["good" if score >= good else "bad" if score <= bad else "middling" for score in scores]
        assert own["opinion"].tolist() == opinions


def test_answers_know_the_ticket_or_order_that_they_are_about(desk: Desk) -> None:
    answers = desk.answers
    rated = answers[answers["kind"] == "ticket"]
    assert len(rated) == desk.tickets["csat_score"].notna().sum()
    assert set(answers.loc[answers["metric"] == "ces", "category"]) <= set(desk.tickets["category"])
    of_orders = answers[(answers["kind"] == "survey") & (answers["metric"] == "nps")]
    assert of_orders["category"].notna().mean() > 0.9


def test_pain_points_equal_what_each_customer_did_after_the_first_complaint(desk: Desk) -> None:
    since, follow = desk.as_of - pd.Timedelta(days=365), pd.Timedelta(days=90)
    answers = desk.answers
    low = answers["metric"].map({"nps": 6, "csat": 2, "ces": 3})
    bad = answers[answers["score"].astype(float) <= low]
    complaints = pd.concat(
        [
            pd.DataFrame(
                {
                    "kind": "ticket",
                    "topic": desk.tickets["category"],
                    "customer": desk.tickets["customer_id"],
                    "at": desk.tickets["opened_at"],
                }
            ),
            pd.DataFrame(
                {
                    "kind": bad["metric"],
                    "topic": bad["category"],
                    "customer": bad["customer_id"],
                    "at": bad["answered_at"],
                }
            ),
        ]
    )
    complaints = complaints[complaints["at"] >= since]
    detractors = bad[bad["metric"] == "nps"]
    sales = desk.sales
    orders, returns = sales[sales["kind"] == "order"], sales[sales["kind"] == "return"]
    expected = {}
    for (kind, topic), group in complaints.groupby(["kind", "topic"], dropna=False):
        figures = {
            "complaint_count": len(group),
            "customer_count": group["customer"].nunique(),
            "followed_count": 0,
            "silent_count": 0,
            "detractor_count": 0,
            "returned": 0.0,
            "lost": 0.0,
        }
        for customer, at in group.dropna(subset="customer").groupby("customer")["at"].min().items():
            bought = orders[orders["customer_id"] == customer]
            before = bought.loc[bought["sold_at"] < at, "reporting_amount"].astype(float)
            after = bought[(bought["sold_at"] >= at) & (bought["sold_at"] < at + follow)]
            is_silent = len(before) > 0 and after.empty and at + follow <= desk.as_of
            own = detractors[detractors["customer_id"] == customer]["answered_at"]
            is_detractor = bool(((own >= at) & (own < at + follow)).any())
            back = returns[(returns["customer_id"] == customer) & (returns["sold_at"] >= at)]
            figures["returned"] += (
                back.loc[back["sold_at"] < at + follow, "reporting_amount"].astype(float).sum()
            )
            figures["followed_count"] += len(before) > 0 and at + follow <= desk.as_of
            figures["silent_count"] += is_silent
            figures["detractor_count"] += is_detractor
            figures["lost"] += before.mean() if len(before) and (is_silent or is_detractor) else 0.0
        expected[kind, None if pd.isna(topic) else topic] = figures
    assert {(row.kind, row.topic) for row in desk.pain_points.itertuples()} == set(expected)
    for row in desk.pain_points.itertuples():
        figures = expected[row.kind, row.topic]
        for name in ("complaint", "customer", "followed", "silent", "detractor"):
            assert getattr(row, f"{name}_count") == figures[f"{name}_count"], (row, name)
        assert float(row.returned_amount) == pytest.approx(figures["returned"], abs=0.01)
        assert float(row.cost_amount) == pytest.approx(figures["lost"] - figures["returned"], abs=0.02)
    by_rank = desk.pain_points.sort_values("pain_rank")["cost_amount"].astype(float)
    assert by_rank.is_monotonic_decreasing
    assert by_rank.iloc[0] > 0
