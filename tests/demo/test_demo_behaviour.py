"""The shop is believable: it has seasons, people whom bad deliveries upset, and members for every segment."""

import pandas as pd
import pytest
from written_shop import WrittenShop

from rapport.demo.shop import END

AS_OF = pd.Timestamp(END)


@pytest.fixture(scope="module")
def orders(shop: WrittenShop) -> pd.DataFrame:
    """One row an order: customer, placed, amount."""
    rows = shop.feed("orders")
    rows["placed"] = pd.to_datetime(
        rows["placed"], errors="coerce", format="%Y-%m-%d %H:%M:%S"
    ).dt.tz_localize("Europe/Berlin")
    rows["total"] = pd.to_numeric(rows["total"], errors="coerce")
    rows = rows[(rows["number"] != "") & rows["placed"].notna() & rows["total"].notna()]
    return rows.drop_duplicates("number")


@pytest.fixture(scope="module")
def customers(shop: WrittenShop, orders: pd.DataFrame) -> pd.DataFrame:
    """One row a customer with a number: orders, first, last, amount, and scores from 1 to 5."""
    known = orders[orders["customer"] != ""]
    table = known.groupby("customer").agg(
        orders=("number", "count"), first=("placed", "min"), last=("placed", "max"), amount=("total", "sum")
    )
    for score, column in (("recency", "last"), ("frequency", "orders"), ("monetary", "amount")):
        table[score] = pd.qcut(table[column].rank(method="first"), 5, labels=False) + 1
    return table


def _days_ago(times: pd.Series) -> pd.Series:
    return (AS_OF - times).dt.total_seconds() / 86_400


def test_every_segment_by_orders_has_members(customers: pd.DataFrame) -> None:
    since_first, since_last = _days_ago(customers["first"]), _days_ago(customers["last"])
    scores = customers[["recency", "frequency", "monetary"]]
    interval = (
        (customers["last"] - customers["first"]).dt.total_seconds() / 86_400 / (customers["orders"] - 1)
    )
    members = {
        "new_customers": since_first < 30,
        "active": since_last < 90,
        "loyal": (customers["orders"] >= 5) & (since_last < 180),
        "champions": (scores >= 4).all(axis=1),
        "at_risk": (customers["orders"] >= 3) & (since_last > 2 * interval) & (since_last.between(60, 365)),
        "lapsed": since_last > 365,
    }
    sizes = {segment: int(chosen.sum()) for segment, chosen in members.items()}
    assert min(sizes.values()) >= 8, sizes
    assert max(sizes.values()) < 0.7 * len(customers), sizes


def test_customers_come_in_up_to_the_last_days(customers: pd.DataFrame) -> None:
    assert _days_ago(customers["first"]).min() < 4


def test_carts_were_abandoned_by_known_people_in_the_last_three_days(shop: WrittenShop) -> None:
    events = shop.feed("web_events")
    events = events[events["at"].str.startswith("20") & events["event"].notna()]
    events["at"] = pd.to_datetime(events["at"], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    owner = events["device"].map(shop.owner_of("devices"))
    carts = events[events["event"] == "add_to_cart"].groupby(owner)["at"].max()
    bought = events[events["event"] == "purchase"].groupby(owner)["at"].max().reindex(carts.index)
    left = carts[(bought.isna() | (bought < carts)) & (_days_ago(carts) < 3)]
    assert len(left) >= 8


def test_people_are_unhappy_in_all_three_ways_lately(shop: WrittenShop) -> None:
    tickets = shop.feed("ticket_versions")
    changed = pd.to_datetime(tickets["changed"], errors="coerce", format="%d/%m/%Y %H:%M:%S")
    lately = changed > pd.Timestamp("2026-05-01")
    assert tickets["stars"][lately].isin(["1", "2"]).any()
    assert tickets["reopened"][lately].eq("1").any()
    answers = shop.feed("survey_responses")
    lately = answers["at"] > pd.Timestamp("2026-05-01", tz="UTC")
    assert (answers["points"][lately & (answers["question"] == "nps")] <= 6).any()


def test_months_have_seasons(orders: pd.DataFrame) -> None:
    by_month = orders.groupby(orders["placed"].dt.strftime("%Y-%m"))["number"].count()
    quiet = by_month[["2025-08", "2025-09", "2026-01", "2026-02"]].mean()
    assert by_month["2025-12"] > 1.4 * quiet
    assert by_month[["2026-04", "2026-05"]].mean() > 1.3 * quiet


def test_gardens_are_bought_for_in_spring(shop: WrittenShop) -> None:
    lines = shop.feed("order_lines")
    lines = lines[lines["category"] != ""]
    month = lines["placed"].str[5:7]
    share = {
        months: lines["category"][month.isin(months)].eq("Garden tools").mean()
        for months in (("03", "04", "05"), ("11", "12", "01"))
    }
    assert share[("03", "04", "05")] > 1.4 * share[("11", "12", "01")]


def test_complaints_make_worse_scores(shop: WrittenShop) -> None:
    tickets = shop.feed("ticket_versions")
    complained = set(
        tickets["subject"][tickets["category"].isin(["delivery", "damaged", "wrong_item"])].str.extract(
            r"(R\d+)"
        )[0]
    )
    answers = shop.feed("survey_responses")
    nps = answers[(answers["question"] == "nps") & answers["points"].notna()]
    bad = nps["regarding"].isin(complained)
    assert bad.sum() >= 5
    assert nps["points"][bad].mean() < nps["points"][~bad].mean() - 2


def test_versions_of_a_ticket_are_in_order_and_know_no_future(shop: WrittenShop) -> None:
    tickets = shop.feed("ticket_versions")
    times = {
        column: pd.to_datetime(tickets[column], errors="coerce", format="%d/%m/%Y %H:%M:%S")
        for column in ("opened", "changed", "first_reply", "solved")
    }
    for column in ("opened", "first_reply", "solved"):
        assert not (times[column] > times["changed"]).any(), column
    whole = tickets[(tickets["ident"] != "?") & times["changed"].notna() & times["opened"].notna()]
    whole = whole[whole["reopened"] != "once"].assign(changed=times["changed"])
    in_order = whole.sort_values(
        ["ident", "version"], key=lambda c: c.astype(int) if c.name == "version" else c
    )
    assert in_order.groupby("ident")["changed"].is_monotonic_increasing.all()
    assert (in_order.groupby("ident")["state"].first() == "New").all()


def test_consent_is_given_confirmed_withdrawn_and_runs_out(shop: WrittenShop) -> None:
    decisions = shop.feed("consents")
    offers = decisions[decisions["topic"] == "offers"]
    granted = offers[offers["answer"] == "yes"]
    assert 0.03 < (granted["confirmed"] == "").mean() < 0.25
    assert (granted["valid_until"] != "").any()
    assert (offers["answer"] == "no").sum() > 10
    assert set(decisions["topic"]) - {""} == {"offers", "news", "service", "all"}
    assert decisions[["email", "channel", "topic", "decided"]].duplicated().sum() <= 1  # a broken row's copy


def test_no_local_time_is_ambiguous(shop: WrittenShop) -> None:
    """In the night of the change from summer time, two o'clock comes twice; nobody shops or answers then."""
    for feed, column in (("orders", "placed"), ("order_lines", "placed"), ("refunds", "given_back")):
        hours = shop.feed(feed)[column].str.extract(r"\d (\d\d):")[0].dropna().astype(int)
        assert hours[hours < 24].min() >= 3
