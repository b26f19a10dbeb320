"""A real shop's year through the main job: every figure in the marts equals the independent count."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from shutil import rmtree
from typing import Any

import independent_count
import independent_products
import mart_figures
import pandas as pd
import pytest
import raw_files
from independent_count import AS_OF, JUNE
from measured_run import MeasuredRun, rapport, stop_server

pytestmark = pytest.mark.skipif(
    not raw_files.FOLDER.is_dir(), reason=f"the real shop's data is not in {raw_files.FOLDER}"
)

CENT = Decimal("0.01")
UNHAPPY = pd.Timedelta(days=270)  # unhappy_days in config/customer_view.yml


@dataclass(frozen=True)
class Seen:
    """What a run left behind, read before the next one replaces it. `customers` is by shop number."""

    run: MeasuredRun
    status: dict[str, Any]
    sales: dict[str, Any]
    identity: dict[str, Any]
    tickets: dict[str, Any]
    ticket_log: dict[str, Any]
    not_in_the_log: dict[str, Any]
    by_ticket: pd.DataFrame
    backlog: dict[Any, int]
    customers: pd.DataFrame
    orders: pd.DataFrame
    products: pd.DataFrame
    affinity: pd.DataFrame
    cohorts: pd.DataFrame
    visits: pd.DataFrame
    won_back: int
    mails: list[Path]


def run_and_read(home: Path, *arguments: str) -> Seen:
    run = rapport(home, "run", *arguments)
    assert run.exit_code == 0, run.output
    return read(home, run)


def read(home: Path, run: MeasuredRun) -> Seen:
    url = rapport(home, "warehouse", "url").output.strip()
    return Seen(
        run=run,
        status=json.loads(rapport(home, "status", "--json").output),
        sales=mart_figures.figures(url, mart_figures.SALES),
        identity=mart_figures.figures(url, mart_figures.IDENTITY),
        tickets=mart_figures.figures(url, mart_figures.TICKETS),
        ticket_log=mart_figures.figures(url, mart_figures.TICKET_LOG),
        not_in_the_log=mart_figures.figures(url, mart_figures.NOT_IN_THE_LOG),
        won_back=mart_figures.figures(url, mart_figures.WON_BACK)["people"],
        mails=[path for path in (home / "mailbox").glob("*/*") if path.is_file()],
        by_ticket=mart_figures.frame(url, mart_figures.BY_TICKET).set_index("ticket_id").sort_index(),
        backlog={
            row.service_date: int(row.backlog)
            for row in mart_figures.frame(url, mart_figures.BACKLOG).itertuples()
        },
        customers=mart_figures.frame(url, mart_figures.SHOP_CUSTOMERS).set_index("number").sort_index(),
        orders=mart_figures.frame(url, "select * from marts.orders").set_index("order_id").sort_index(),
        products=mart_figures.frame(url, mart_figures.PRODUCTS).set_index("product_id").sort_index(),
        affinity=mart_figures.frame(url, mart_figures.AFFINITY),
        cohorts=mart_figures.frame(url, mart_figures.COHORTS),
        visits=mart_figures.frame(url, mart_figures.VISITS),
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("real_shop") / "home"
    yield folder
    stop_server(folder)
    rmtree(folder)


@pytest.fixture(scope="module")
def december(home: Path, pytestconfig: pytest.Config) -> Seen:
    seen = run_and_read(home, "--as-of", "2011-12-10T00:00:00Z")
    memory = "" if seen.run.peak_pss_mb is None else f", at most {seen.run.peak_pss_mb:.0f} MB (PSS)"
    with pytestconfig.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print(f"\nreal shop: the whole run took {seen.run.seconds:.0f} s{memory}")
    return seen


@pytest.fixture(scope="module")
def june(home: Path, december: Seen) -> Seen:
    return run_and_read(home, "--as-of", "2011-06-01T00:00:00Z", "--rebuild")


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    return raw_files.read_order_lines(AS_OF)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return raw_files.read_ticket_log()


def test_every_row_is_read_and_loaded(december: Seen):
    counts = {
        step["step"]: (step["rows_read"], step["rows_loaded"], step["rows_duplicate"], step["rows_rejected"])
        for step in december.status["steps"]
        if step["rows_read"] is not None
    }
    assert counts == {
        "online_shop": (541_909, 541_909, 0, 0),
        "web_shop": (165_474, 165_474, 0, 0),
        "support": (141_712, 141_712, 0, 0),
        "support_status": (141_712, 141_712, 0, 0),
    }
    assert december.status["state"] == "succeeded"
    assert {step["state"] for step in december.status["steps"]} == {"succeeded"}


def test_sales_equal_the_independent_count(december: Seen, lines: pd.DataFrame):
    assert december.sales == independent_count.sales_figures(lines)
    assert {name: december.sales[name] for name in ("orders", "orders_with_customer", "shop_customers")} == {
        "orders": 20_728,
        "orders_with_customer": 18_536,
        "shop_customers": 4_372,
    }
    money = ("gross", "returned", "net", "gross_without_customer", "negative_without_customer")
    assert [str(december.sales[name].quantize(CENT)) for name in money] == [
        "8911407.90",
        "-611342.09",
        "8300065.81",
        "1733152.52",
        "-285470.40",
    ]


def test_each_shop_customer_equals_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_count.customers(lines).sort_index()
    names = {"gross": "gross_revenue", "returned": "returned_amount", "net": "net_revenue"}
    expected = expected.rename(columns=names).astype("object")
    found = december.customers[expected.columns]
    assert differences(found, expected) == {}
    assert set(december.customers["reporting_currency"]) == {"GBP"}
    assert set(december.customers["has_unconverted_revenue"]) == {False}


def test_the_standing_of_each_shop_customer_equals_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_count.standing(lines).sort_index()
    found = december.customers.loc[expected.index]
    scores = ["recency_score", "frequency_score", "monetary_score"]
    assert differences(found, expected[scores]) == {}
    for average in ("average_order_value", "average_days_between_orders"):
        assert found[average].astype(float).tolist() == pytest.approx(
            expected[average].tolist(), rel=1e-9, nan_ok=True
        )
    assert december.customers.drop(expected.index)[scores].isna().all(axis=None)


def test_each_order_equals_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_count.orders(lines).sort_index()
    numbers = december.customers.reset_index().set_index("customer_id")["number"]
    found = pd.DataFrame(
        {
            "customer": december.orders["customer_id"].map(numbers).fillna(""),
            "ordered_at": december.orders["ordered_at"],
            "gross": december.orders["gross_amount"],
            "net": december.orders["net_amount"],
        }
    )
    assert differences(found, expected.astype("object")) == {}


def test_each_product_equals_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_products.products(lines).sort_index()
    assert differences(december.products, expected) == {}
    assert len(expected) > 3_000


def test_pairs_of_products_equal_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_products.affinity(
        lines, AS_OF - pd.Timedelta(days=90), min_orders=5, min_support="0.01", max_products=50
    )
    found = december.affinity
    assert {tuple(row[:2]): tuple(row[2:6]) for row in found.itertuples(index=False)} == expected
    assert len(expected) > 100
    for row in found.itertuples():
        both, one, other = (
            count / row.basket_count
            for count in (row.order_count, row.product_order_count, row.other_order_count)
        )
        told = [float(row.support), float(row.confidence), float(row.lift)]
        assert told == pytest.approx([both, both / one, both / (one * other)])


def test_cohorts_equal_the_independent_count(december: Seen, lines: pd.DataFrame):
    expected = independent_products.cohorts(lines)
    found = {tuple(row[:2]): tuple(row[2:]) for row in december.cohorts.itertuples(index=False)}
    quiet = {cell for cell in found if cell not in expected}
    assert all(found[cell][1:] == (0, 0, 0) for cell in quiet)
    assert {cell: found[cell] for cell in found if cell not in quiet} == expected


def test_people_and_visits_equal_the_independent_count(
    december: Seen, lines: pd.DataFrame, log: pd.DataFrame
):
    expected = independent_count.identity_figures(lines, raw_files.read_events(AS_OF), log[log["at"] < AS_OF])
    # The source numbers its own sessions; Rapport does not use that number.
    del expected["sessions_by_the_source"]
    assert december.identity == expected
    assert december.identity["sessions"] == 24_025
    assert december.identity["devices_of_shop_customers"] == 3_663
    assert december.identity["events_of_shop_customers"] == 46_738


def test_each_visit_equals_the_independent_count(december: Seen):
    found = Counter(december.visits.itertuples(index=False, name=None))
    assert found == Counter(independent_count.visits(raw_files.read_events(AS_OF)))


def test_tickets_equal_the_independent_count(december: Seen, log: pd.DataFrame):
    assert december.tickets == expected_tickets(log[log["at"] < AS_OF])
    assert (december.tickets["tickets"], december.tickets["open_tickets"]) == (24_737, 43)


def test_each_tickets_resolution_and_hand_overs_equal_the_independent_count(
    december: Seen, log: pd.DataFrame
):
    visible = log[log["at"] < AS_OF]
    expected = independent_count.tickets(visible).sort_index()
    assert differences(december.by_ticket[expected.columns], expected) == {}
    # The desk counts by rules of its own, which the log does not tell.
    desk = visible.groupby("ticket").tail(1).set_index("ticket")["reassigned"].sort_index()
    assert december.by_ticket["hand_over_count"].fillna(0).astype(int).corr(desk) > 0.9


def test_the_backlog_of_each_seventh_day_equals_the_independent_count(december: Seen, log: pd.DataFrame):
    visible = log[log["at"] < AS_OF]
    days = pd.date_range("2011-03-05", "2011-12-09", freq="7D", tz="UTC")
    expected = {day.date(): independent_count.backlog(visible, day + pd.Timedelta(days=1)) for day in days}
    assert {day: december.backlog.get(day, 0) for day in expected} == expected
    assert december.backlog[pd.Timestamp("2011-12-09").date()] == 43


def test_the_ticket_log_is_kept_whole(december: Seen, log: pd.DataFrame):
    expected = independent_count.ticket_figures(log)
    assert december.ticket_log == {name: expected[name] for name in december.ticket_log}


def test_what_the_log_does_not_hold_is_unknown(december: Seen):
    assert december.not_in_the_log == {
        "replied": 0,
        "replies_counted": 0,
        "rated": 0,
        "solved_in_hindsight": 0,
        "customers_with_a_score": 0,
    }


def test_every_campaign_plans_its_audience_and_sends_nothing(
    december: Seen, lines: pd.DataFrame, log: pd.DataFrame
):
    """There is no consent feed, so it is consent that is missing, also of callers who gave no address."""
    log = log[log["at"] < AS_OF]
    found = independent_count.people(lines, raw_files.read_events(AS_OF), log)
    unhappy = independent_count.unhappy_people(log, found, AS_OF - UNHAPPY)
    segments = december.status["segments"]
    assert segments["unhappy"] == len(unhappy)
    assert {name: counts["skipped"] for name, counts in december.status["campaigns"].items()} == {
        "welcome": {"no_consent": segments["new_customers"]},
        "win_back": {"no_consent": december.won_back},
        "abandoned_cart": {},
        "service_recovery": {"no_consent": len(unhappy)},
    }
    for name, counts in december.status["campaigns"].items():
        assert (counts["planned"], counts["sent"], counts["held"]) == (0, 0, 0), name
    assert segments["new_customers"] > 0
    assert december.won_back > 0
    assert december.mails == []


@pytest.mark.long
def test_june_has_the_tickets_of_june(june: Seen, log: pd.DataFrame):
    assert june.tickets == expected_tickets(log[log["at"] < JUNE])
    assert (june.tickets["tickets"], june.tickets["open_tickets"]) == (24_344, 1_205)


@pytest.mark.long
def test_going_back_to_june_reads_no_file_again(june: Seen):
    steps = june.status["steps"]
    assert {step["rows_loaded"] for step in steps if step["rows_read"] is not None} == {0}


@pytest.mark.long
def test_a_customer_keeps_their_id_through_the_rebuild(december: Seen, june: Seen):
    lines = raw_files.read_order_lines(JUNE)
    assert set(june.customers.index) == set(lines["customer"]) - {""}
    in_december = december.customers.loc[june.customers.index, "customer_id"]
    assert june.customers["customer_id"].tolist() == in_december.tolist()


def expected_tickets(log: pd.DataFrame) -> dict[str, Any]:
    counted = independent_count.ticket_figures(log)
    names = ("tickets", "open_tickets", "reopened_by_counter", "reopened_by_state")
    return {name: counted[name] for name in names}


def differences(found: pd.DataFrame, expected: pd.DataFrame) -> dict[str, list]:
    """By column, the first rows that differ, as (key, found, expected); empty where the frames are equal."""
    assert found.index.is_unique
    missing = {"missing": sorted(set(expected.index) ^ set(found.index))[:5]}
    if missing["missing"]:
        return missing
    differing = {}
    for column in expected.columns:
        pairs = zip(expected.index, found[column], expected[column], strict=True)
        unequal = [
            pair for pair in pairs if not (pair[1] == pair[2] or (pd.isna(pair[1]) and pd.isna(pair[2])))
        ]
        if unequal:
            differing[column] = unequal[:5]
    return differing
