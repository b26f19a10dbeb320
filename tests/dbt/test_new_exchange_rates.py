"""Rates that a team fills in later reach the orders of long ago, and nothing is built from nothing for it."""

import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, timedelta
from decimal import Decimal
from os import environ
from pathlib import Path

import parcels
import psycopg
import pytest
from test_view_increments import SCHEMAS, differences

from rapport.demo.shop import END, write_shop
from rapport.settings import PROJECT, Settings

Amount = Decimal | None
Amounts = dict[object, tuple[Amount, ...]]
Parts = dict[object, dict[str, list[Amount]]]

HEADER = "rate_date,from_currency,to_currency,rate\n"
ON_ANOTHER_PROJECT = """
from pathlib import Path
from rapport.settings import Settings

Settings.dbt_project = property(lambda self: Path("{project}"))
"""


@pytest.mark.long
def test_amounts_follow_new_and_changed_rates(
    settings: Settings, warehouse_url: str, second_warehouse_url: str, tmp_path: Path
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project", project)
    config = tmp_path / "team"
    shutil.copytree(PROJECT / "config", config)
    parameters = config / "customer_view.yml"
    parameters.write_text(
        parameters.read_text().replace("reporting_currency: EUR", "reporting_currency: USD")
    )
    write_shop(tmp_path / "shop", seed=4, customers=60)

    def home(name: str, url: str) -> Settings:
        (tmp_path / name).mkdir()
        made = Settings(tmp_path / name, config, url, None, None)
        parcels.load(made, tmp_path / "shop")
        sell_abroad(url)
        return made

    def build(of: Settings, rates: str) -> None:
        (project / "seeds" / "exchange_rates.csv").write_text(HEADER + rates)
        program = ON_ANOTHER_PROJECT.format(project=project) + parcels.BUILD_VIEW.read_text()
        built = subprocess.run(
            [sys.executable, "-c", program, END.isoformat()],
            env={
                **{name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
                "PYTHONPATH": str(PROJECT / "plugins"),
                "RAPPORT_HOME": str(of.home),
                "RAPPORT_CONFIG": str(config),
                "RAPPORT_WAREHOUSE_URL": str(of.warehouse_url),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout + built.stderr

    change = (END - timedelta(days=200)).date()
    stepwise = home("stepwise", warehouse_url)
    build(stepwise, "")
    with psycopg.connect(warehouse_url) as connection:
        known = connection.execute("select count(gross_revenue) from intermediate.int_customer_sales")
        assert known.fetchone() == (0,)
    rates = f"2020-01-01,EUR,USD,1.5\n{change},EUR,USD,2\n2020-01-01,GBP,USD,3\n"
    build(stepwise, rates)
    at_once = home("at_once", second_warehouse_url)
    build(at_once, rates)

    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("select since_run_id from ops.runs where run_id = 2").fetchone() == (1,)
        whole, by_currency = counted(connection, change)
        found = connection.execute(
            """
            select customer_id, gross_revenue, returned_amount, discount_amount, net_revenue
            from intermediate.int_customer_sales
            """
        ).fetchall()
        assert {row[0]: row[1:] for row in found} == whole
        assert {None in amounts for amounts in whole.values()} == {True, False}
        flags = connection.execute("select customer_id, has_unconverted_revenue from marts.customers")
        assert {customer for customer, is_missing in flags if is_missing} == {
            customer for customer, amounts in whole.items() if None in amounts[:2]
        }
        found = connection.execute(
            "select customer_id, currency, gross_amount, returned_amount, discount_amount, net_amount"
            " from marts.customer_revenue"
        ).fetchall()
        assert {row[:2]: row[2:] for row in found} == by_currency
        assert {currency for _, currency in by_currency} == {"EUR", "GBP", "CHF", None}
    of_rates = differences(
        parcels.tables(warehouse_url, SCHEMAS), parcels.tables(second_warehouse_url, SCHEMAS)
    )
    assert of_rates == []


def sell_abroad(url: str) -> None:
    """A tenth of the orders each in pounds, in francs, and in two currencies at once; refunds likewise."""
    with psycopg.connect(url) as connection:
        for currency, digit in ("GBP", "3"), ("CHF", "4"):
            for table in ("order_lines", "orders", "refunds"):
                connection.execute(
                    f"update raw.{table} set currency = %s where right(order_id, 1) = %s",  # type: ignore[arg-type]
                    [currency, digit],
                )
        connection.execute(
            "update raw.order_lines set currency = 'GBP' where right(order_id, 1) = '5' and line_id = '1'"
        )


def counted(connection: psycopg.Connection, change: date) -> tuple[Amounts, Amounts]:
    """Gross, returned, discount and net: by customer in dollars, and by customer and currency as they are.

    Added up one by one from the orders and returns; an amount without a rate makes its sum unknown.
    """
    orders = connection.execute(
        "select order_key, customer_id, currency, ordered_at, gross_amount, discount_granted"
        " from marts.orders"
    ).fetchall()
    returns = connection.execute(
        "select tied_order_key, customer_id, currency, returned_at, amount from marts.returns"
    ).fetchall()
    ordered_at = {order[0]: order[3] for order in orders}
    pieces = [(*order[1:4], "gross", order[4]) for order in orders]
    pieces += [(*order[1:4], "discount", order[5]) for order in orders]
    pieces += [
        (customer, currency, ordered_at.get(key, at), "returned", amount)
        for key, customer, currency, at, amount in returns
    ]
    whole: Parts = defaultdict(lambda: defaultdict(list))
    by_currency: Parts = defaultdict(lambda: defaultdict(list))
    for customer, currency, at, part, amount in pieces:
        if customer is not None:
            old = at.astimezone(UTC).date() < change
            rate = {"EUR": Decimal("1.5") if old else Decimal(2), "GBP": Decimal(3)}.get(currency)
            is_known = amount is not None and rate is not None
            whole[customer][part].append(amount * rate if is_known else None)
            by_currency[customer, currency][part].append(amount)
    return (
        {customer: summed(parts) for customer, parts in whole.items()},
        {key: summed(parts) for key, parts in by_currency.items()},
    )


def summed(parts: dict[str, list[Amount]]) -> tuple[Amount, ...]:
    """Gross, returned, discount and net, each whole or unknown."""
    gross, returned, discount = (total(parts[name]) for name in ("gross", "returned", "discount"))
    return gross, returned, discount, total([gross, returned])


def total(amounts: list[Amount]) -> Amount:
    return None if None in amounts else sum((amount or Decimal(0) for amount in amounts), Decimal(0))
