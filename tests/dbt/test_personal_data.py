"""Who reviews a run sees no personal data: what is personal is tagged, and `reporting` leaves it out."""

import re
from typing import Any

import pytest
import yaml
from parcels import BuiltShop

from rapport import warehouse
from rapport.settings import PROJECT

PERSONAL = re.compile(
    r"^(email|phone|first_name|last_name|city|postal_code|birth_date|subject|comment|title|body|address)$"
)


def columns_of(schema: str) -> dict[str, dict[str, Any]]:
    """Columns that the YAML of a schema's models describes, by model."""
    found: dict[str, dict[str, Any]] = {}
    for path in (PROJECT / "dbt_project" / "models" / schema).glob("*.yml"):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            found[model["name"]] = {column["name"]: column for column in model.get("columns", [])}
    return found


MARTS = columns_of("marts")
# Where a company is tells nothing of a person.
IMPERSONAL = {"companies": {"city"}}


@pytest.mark.parametrize("mart", sorted(MARTS))
def test_a_column_that_names_a_person_is_tagged(mart: str) -> None:
    columns = MARTS[mart]
    tagged = {name for name, column in columns.items() if "pii" in column.get("tags", [])}
    assert {name for name in columns if PERSONAL.match(name)} - IMPERSONAL.get(mart, set()) <= tagged


def test_reporting_shows_nothing_personal(built_shop: BuiltShop) -> None:
    with warehouse.connect(built_shop.url) as connection:
        shown = connection.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'reporting'"
        ).fetchall()
    assert {table for table, _ in shown} <= set(MARTS)
    assert [
        f"{table}.{column}"
        for table, column in shown
        if "pii" in MARTS[table].get(column, {}).get("tags", [])
    ] == []


def test_meanings_are_comments_in_the_database(built_shop: BuiltShop) -> None:
    with warehouse.connect(built_shop.url) as connection:
        silent = connection.execute(
            """
            select columns.table_schema || '.' || columns.table_name || '.' || columns.column_name
            from information_schema.columns
            where table_schema in ('marts', 'reporting', 'segments')
                and col_description(
                    format('%I.%I', table_schema, table_name)::regclass, ordinal_position
                ) is null
            order by 1
            """
        ).fetchall()
    assert silent == []
