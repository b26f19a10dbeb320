"""Rates that a team fills in later reach the orders of long ago, and nothing is built from nothing for it."""

import shutil
import subprocess
import sys
from datetime import timedelta
from os import environ
from pathlib import Path

import parcels
import psycopg
import pytest
from test_view_increments import SCHEMAS, differences

from rapport.demo.shop import END, write_shop
from rapport.settings import PROJECT, Settings

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
    rates = f"2020-01-01,EUR,USD,1.5\n{change},EUR,USD,2\n"
    build(stepwise, rates)
    at_once = home("at_once", second_warehouse_url)
    build(at_once, rates)

    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("select since_run_id from ops.runs where run_id = 2").fetchone() == (1,)
        found = connection.execute(
            "select sum(gross_revenue) from intermediate.int_customer_sales"
        ).fetchone()
        expected = connection.execute(
            """
            select sum(gross_amount * case when ordered_at at time zone 'UTC' < %s then 1.5 else 2 end)
            from marts.orders where customer_id is not null
            """,
            [change],
        ).fetchone()
    assert found == expected
    of_rates = differences(
        parcels.tables(warehouse_url, SCHEMAS), parcels.tables(second_warehouse_url, SCHEMAS)
    )
    assert of_rates == []
