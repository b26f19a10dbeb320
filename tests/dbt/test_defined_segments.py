"""Segments made in the pages on the real customer view: all columns, all behaviours, dbt with their SQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parcels
import psycopg
import pytest

from rapport import dbt, ledger
from rapport.audiences import estimates
from rapport.audiences.behaviours import BEHAVIOURS
from rapport.audiences.customer_columns import Catalogue, Column, mistakes_in, read_catalogue
from rapport.audiences.definition import ARGUMENTS, NARROWED_BY, Definition, read_definition
from rapport.audiences.definition_sql import members_query, model_text
from rapport.demo.shop import END
from rapport.settings import PROJECT, Settings
from rapport.web.pages.revenue import reading, rfm_grid

HOSTILE = ["{{ env_var('X') }}", "'; drop table marts.customers; --", "{% raw %}{#", "{{{"]


@pytest.fixture(scope="module")
def connection(built_shop: parcels.BuiltShop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(built_shop.url, autocommit=True, options="-c timezone=UTC") as session:
        yield session


@pytest.fixture(scope="module")
def catalogue(connection: psycopg.Connection) -> Catalogue:
    return read_catalogue(connection)


def conditions_on(column: Column, currency: str | None) -> Iterator[dict[str, Any]]:
    given = {"value": "1", "values": [*HOSTILE, *column.values[:2]], "days": 200, "day": "2026-01-01"}
    for test in column.tests:
        argument = ARGUMENTS.get(test)
        yield {
            "column": column.name,
            "test": test,
            **({argument: given[argument]} if argument else {}),
            **({"currency": currency} if column.kind == "money" and (argument or column.is_amount) else {}),
        }


def behaviours(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for did in BEHAVIOURS:
        for which_is in (*NARROWED_BY.get(did, ()), *((None,) if did != "buy" else ())):
            which = next(
                iter(
                    [*catalogue.products, "x"]
                    if which_is == "product"
                    else [*catalogue.narrowed_by.get((did, which_is or ""), ()), "x"]
                )
            )
            yield {
                "did": did,
                "times": "at_least",
                "count": 2,
                "within_days": 300,
                **({"which_is": which_is, "which": which} if which_is else {}),
            }


def definition_of(*conditions: dict[str, Any], match: str = "all") -> Definition:
    definition = read_definition({"match": match, "conditions": list(conditions)})
    assert isinstance(definition, Definition), definition
    return definition


def test_every_column_and_behaviour_of_the_customer_view_can_be_asked(
    connection: psycopg.Connection, catalogue: Catalogue
) -> None:
    currency = catalogue.reporting_currency
    assert currency is not None
    all_of_them = [
        *(one for column in catalogue.columns.values() for one in conditions_on(column, currency)),
        *behaviours(catalogue),
    ]
    assert len(all_of_them) > 200
    found = {}
    for condition in all_of_them:
        definition = definition_of(condition)
        assert mistakes_in(definition, catalogue) == []
        members = connection.execute(*members_query(definition, catalogue, END)).fetchall()
        assert estimates.exact(connection, definition, catalogue, END).members == len(members)
        assert all(reason for _, reason in members)
        found[str(condition)] = len(members)
    for did in BEHAVIOURS:
        if did not in ("mailed", "opened", "clicked"):  # nothing was sent in this shop
            assert any(size for condition, size in found.items() if f"'did': '{did}'" in condition), did


def test_orders_in_the_last_days_are_the_customers_own(
    connection: psycopg.Connection, catalogue: Catalogue
) -> None:
    for days, count in ((90, 1), (365, 3)):
        counted = connection.execute(
            """
            select customer_id from marts.orders
            where ordered_at >= %s - make_interval(days => %s) and customer_id is not null
            group by customer_id having count(*) >= %s order by 1
            """,
            [END, days, count],
        ).fetchall()
        definition = definition_of({"did": "order", "count": count, "within_days": days})
        members = connection.execute(*members_query(definition, catalogue, END)).fetchall()
        assert sorted(customer for customer, _ in members) == [customer for (customer,) in counted] != []


@pytest.mark.long
def test_dbt_builds_the_same_members_from_the_sql(
    built_shop: parcels.BuiltShop, connection: psycopg.Connection, catalogue: Catalogue, tmp_path: Path
) -> None:
    definition = definition_of(
        {"did": "order", "count": 1, "within_days": 400},
        {
            "column": "country",
            "test": "one_of",
            "values": [*HOSTILE, *catalogue.columns["country"].values[:4]],
        },
        {
            "match": "any",
            "conditions": [
                {"column": "city", "test": "contains", "value": HOSTILE[0]},
                {"did": "buy", "which_is": "category", "which": HOSTILE[1], "since": "2020-01-01"},
                {"did": "visit", "times": "at_least", "count": 1},
                {"column": "net_revenue", "test": "at_least", "value": "100.5", "currency": "EUR"},
            ],
        },
    )
    expected = sorted(connection.execute(*members_query(definition, catalogue, END)).fetchall())
    assert expected

    class _WithProject(Settings):
        dbt_project = tmp_path / "dbt_project"

    project = _WithProject.dbt_project
    shutil.copytree(PROJECT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "models/segments/from_the_builder.sql").write_text(
        model_text(definition, catalogue, HOSTILE[0])
    )
    settings = _WithProject(tmp_path / "home", PROJECT / "config", built_shop.url, None, None)
    run = ledger.newest_run(connection)
    assert run is not None
    assert dbt.command(settings, built_shop.url, run, ["run", "--select", "from_the_builder"])
    try:
        built = connection.execute("select customer_id, reason from segments.from_the_builder order by 1")
        assert built.fetchall() == expected
    finally:
        connection.execute("drop view if exists segments.from_the_builder")


def test_who_is_in_a_cell_of_the_rfm_grid_is_whom_the_builder_finds(
    connection: psycopg.Connection, catalogue: Catalogue
) -> None:
    cells = [cell for row in rfm_grid.grid(reading.moves(connection)) for cell in row]
    assert len([cell for cell in cells if cell.customers]) > 8
    for cell in cells:
        read = read_definition(rfm_grid.definition(cell.place))
        assert isinstance(read, Definition)
        assert mistakes_in(read, catalogue) == []
        assert estimates.exact(connection, read, catalogue, END).members == cell.customers
