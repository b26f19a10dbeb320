"""A view brought up to date run by run is the view built at once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import parcels
import pytest

from rapport import ledger, warehouse
from rapport.demo.shop import END, write_shop
from rapport.identity import decisions, explanation
from rapport.settings import PROJECT, Settings

SCHEMAS = ("identity", "intermediate", "marts")

# What tells how the view came about: it differs with how often one looks.
HISTORY = [
    f"identity.{table}" for table in ("customers", "merges", "changes", "identifier_changes", "watermark")
]

# Where every tenth run is broken off before the one that finishes, each time in the middle of other models.
BREAKS = (
    "intermediate.int_order_buyers",
    "intermediate.int_ticket_events",
    "intermediate.int_orders_summed",
    "marts.sessions",
    "marts.orders",
    "marts.customer_timeline",
)

# Ten e-mails of customers who bought and are known by a number, too.
LINKING_EMAILS = """
select min(emails.value)
from identity.identifiers as emails
inner join identity.identifiers as numbers on emails.customer_id = numbers.customer_id
inner join marts.customers on emails.customer_id = customers.customer_id
where emails.kind = 'email' and numbers.kind = 'customer_number' and customers.order_count > 1
group by emails.customer_id
order by emails.customer_id
limit 10
"""


@pytest.fixture
def shop_settings(settings: Settings, tmp_path: Path) -> Callable[[str, str], Settings]:
    """Settings with a home of its own on a database, and the configuration that a clone has."""

    def make(name: str, url: str) -> Settings:
        home = tmp_path / name
        home.mkdir()
        return replace(settings, home=home, config=PROJECT / "config", warehouse_url=url)

    return make


@pytest.fixture
def exits() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("steps", [2, pytest.param(60, marks=pytest.mark.long)])
def test_a_view_built_in_steps_equals_the_view_built_at_once(
    steps: int,
    tmp_path: Path,
    warehouse_url: str,
    second_warehouse_url: str,
    shop_settings: Callable[[str, str], Settings],
    exits: ExitStack,
) -> None:
    write_shop(tmp_path / "shop", seed=steps, customers=60)
    folders = [tmp_path / f"parcel-{number}" for number in range(steps)]
    late = tmp_path / "late"
    parcels.split(tmp_path / "shop", folders, seed=steps, late=late, late_feeds=("refunds", "ticket_events"))
    stepwise = shop_settings("stepwise", warehouse_url)
    at_once = shop_settings("at_once", second_warehouse_url)
    apart = timedelta(days=90 if steps < 10 else 60) / steps
    runs = []
    building = exits.enter_context(parcels.Building(stepwise))
    for number, folder in enumerate(folders):
        parcels.load(stepwise, folder)
        parcels.load(at_once, folder)
        as_of = END - apart * (steps - 1 - number)
        if number % 10 == 9:
            building.break_off(as_of, BREAKS[number // 10])
        runs.append(building.build(as_of))
        if folder == folders[-2]:
            recorded, seen = runs[-1], parcels.tables(warehouse_url, SCHEMAS)

    # A night on which some feeds alone have news, and one without any.
    parcels.load(stepwise, late)
    parcels.load(at_once, late)
    for day, streams in (1, {"refunds", "ticket_events"}), (2, set()):
        runs.append(building.build(END + timedelta(days=day)))
        assert news(warehouse_url, runs[-1]) == ledger.News(frozenset(streams))
    parcels.build(at_once, END + timedelta(days=2))
    assert [run.since.run_id if run.since else None for run in runs] == [None, *[r.run_id for r in runs[:-1]]]
    assert differences(*(parcels.tables(url, SCHEMAS) for url in (warehouse_url, second_warehouse_url))) == []

    # A recorded run can be repeated, whatever was loaded since.
    assert recorded.max_batch_id is not None
    repeated = building.build(recorded.as_of, repeated_batch=recorded.max_batch_id)
    assert (repeated.max_batch_id, repeated.since) == (recorded.max_batch_id, None)
    assert differences(seen, parcels.tables(warehouse_url, SCHEMAS)) == []


@pytest.mark.long
def test_a_split_reaches_every_mart(
    tmp_path: Path,
    warehouse_url: str,
    shop_settings: Callable[[str, str], Settings],
    exits: ExitStack,
) -> None:
    write_shop(tmp_path / "shop", seed=3, customers=60)
    settings = shop_settings("split", warehouse_url)
    parcels.split(tmp_path / "shop", [tmp_path / "parcel"], seed=3)
    parcels.load(settings, tmp_path / "parcel")
    building = exits.enter_context(parcels.Building(settings))
    building.build(END)
    before = buyers(warehouse_url)
    with warehouse.connect(warehouse_url) as connection:
        for (email,) in connection.execute(LINKING_EMAILS).fetchall():
            decisions.decide(
                connection, "shared", explanation.find(connection, email), by="a test", reason="an office"
            )

    split = building.build(END + timedelta(days=1))

    assert buyers(warehouse_url) > before
    seen = parcels.tables(warehouse_url, SCHEMAS)
    rebuilt = building.build(split.as_of, repeated_batch=split.max_batch_id)
    assert rebuilt.since is None
    assert differences(seen, parcels.tables(warehouse_url, SCHEMAS)) == []


def buyers(url: str) -> int:
    with warehouse.connect(url) as connection:
        row = connection.execute("select count(*) from marts.customers where order_count > 0").fetchone()
    assert row is not None
    return int(row[0])


def news(url: str, run: ledger.Run) -> ledger.News:
    with warehouse.connect(url) as connection:
        return ledger.news(connection, run)


def differences(built: dict[str, list[str]], wanted: dict[str, list[str]]) -> list[str]:
    """The tables that are not the same, but for what the pipeline keeps for itself."""
    ours = [name for name in wanted if ".int_changed_" not in name and name not in HISTORY]
    different = [name for name in ours if built[name] != wanted[name]]
    for name in different:  # what pytest shows of a failure
        print(name, "has", *sorted(set(built[name]) - set(wanted[name]))[:3], sep="\n    ")
        print("and not", *sorted(set(wanted[name]) - set(built[name]))[:3], sep="\n    ")
    return different
