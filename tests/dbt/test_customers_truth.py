"""Who the customers are, computed a second time: row by row over the raw tables of a built shop."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest
from parcels import BuiltShop

from rapport.demo.shop import END

IDENTITY = ["customer_number", "email", "phone", "contact_id", "anonymous_id"]
KINDS = dict(zip(IDENTITY, ["customer_number", "email", "phone", "contact", "device"], strict=True))
SAID = ["first_name", "last_name", "country", "city", "postal_code", "time_zone", "language", "company_name"]
# Stream: key, what orders its versions, when it was said, whom to believe first.
STREAMS: dict[str, tuple[list[str], list[str], str, int]] = {
    "contacts": (["contact_id"], ["updated_at"], "updated_at", 1),
    "orders": (["order_id"], ["updated_at"], "ordered_at", 2),
    "order_lines": (["order_id", "line_id"], [], "ordered_at", 2),
    "refunds": (["refund_id"], [], "refunded_at", 3),
    "web_events": (["event_id"], [], "occurred_at", 3),
    "ticket_versions": (["ticket_id"], ["updated_at", "version"], "updated_at", 3),
    "survey_responses": (["response_id"], [], "responded_at", 3),
    "consents": (["consent_id"], [], "decided_at", 3),
}


def frame(url: str, query: str) -> pd.DataFrame:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query)  # type: ignore[arg-type]
        assert cursor.description is not None
        return pd.DataFrame(
            cursor.fetchall(), columns=[column.name for column in cursor.description], dtype=object
        )


@pytest.fixture(scope="module")
def customers(built_shop: BuiltShop) -> pd.DataFrame:
    return frame(built_shop.url, "select * from marts.customers").set_index("customer_id")


@pytest.fixture(scope="module")
def owners(built_shop: BuiltShop) -> dict[tuple[str, str, str], str]:
    rows = frame(built_shop.url, "select kind, source, value, customer_id from identity.identifiers")
    return {(kind, source, value): customer for kind, source, value, customer in rows.to_numpy()}


def said(url: str, owners: dict[tuple[str, str, str], str]) -> Iterator[dict[str, Any]]:
    """The newest version of every record: its customer, source, time, precedence and what it says of them."""
    order_customers: dict[tuple[str, str], str] = {}
    for stream, (key, versions, said_at, precedence) in STREAMS.items():
        rows = frame(url, f"select * from raw.{stream}").to_dict("records")
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            place = tuple(row[name] for name in ("source", *key))
            age = [row[name] or row[said_at] for name in versions] + [row["batch_id"], row["line_number"]]
            if place not in newest or age > newest[place]["age"]:
                newest[place] = {**row, "age": age}
        for row in sorted(
            newest.values(), key=lambda row: (row[said_at], row["batch_id"], row["line_number"])
        ):
            customer = owner(row, owners)
            if stream in ("orders", "order_lines"):
                order = (row["source"], row["order_id"])
                customer = (
                    order_customers.setdefault(order, customer) if customer else order_customers.get(order)
                )
            if customer and not row["is_deleted"]:
                yield {
                    "customer": customer,
                    "source": row["source"],
                    "at": row[said_at],
                    "precedence": precedence,
                    **{name: (row.get(name) or "").strip() or None for name in SAID},
                }


def owner(row: dict[str, Any], owners: dict[tuple[str, str, str], str]) -> str | None:
    for column, kind in KINDS.items():
        value = row.get(column)
        if value:
            value = value.strip().lower() if kind == "email" else value.strip()
            source = row["source"] if kind in ("customer_number", "contact") else ""
            if (kind, source, value) in owners:
                return owners[kind, source, value]
    return None


@pytest.mark.parametrize(
    ("fields", "source_column"),
    [
        (("first_name", "last_name"), "name_source"),
        (("country",), "country_source"),
        (("city", "postal_code"), "place_source"),
        (("time_zone",), "time_zone_source"),
        (("language",), "language_source"),
    ],
)
def test_each_field_is_what_the_best_source_said_last(
    fields: tuple[str, ...],
    source_column: str,
    built_shop: BuiltShop,
    customers: pd.DataFrame,
    owners: dict[tuple[str, str, str], str],
) -> None:
    best: dict[str, tuple[Any, ...]] = {}
    for record in said(built_shop.url, owners):
        values = tuple(record[name] for name in fields)
        if any(values):
            wanting = (None in values) if "first_name" in fields else values[0] is None
            written = tuple((value is None, value or "") for value in values)
            rank = (wanting, record["precedence"], -record["at"].timestamp(), written, record["source"])
            if record["customer"] not in best or rank < best[record["customer"]][0]:
                best[record["customer"]] = (rank, *values, record["source"])
    nothing = (None, *[None] * len(fields), None)
    wanted = {customer: best.get(customer, nothing)[1:] for customer in customers.index}
    shown = customers[[*fields, source_column]].astype(object).where(lambda frame: frame.notna(), None)
    assert sum(any(values) for values in wanted.values()) > 20
    assert dict(zip(shown.index, shown.itertuples(index=False, name=None), strict=True)) == wanted


def test_the_lifecycle_follows_the_orders(built_shop: BuiltShop, customers: pd.DataFrame) -> None:
    orders = frame(built_shop.url, "select customer_id, ordered_at from marts.orders").dropna()
    times = orders.groupby("customer_id")["ordered_at"].apply(sorted)

    def stage(moments: list[Any]) -> str:
        silent = END - moments[-1]
        if silent > timedelta(days=180):
            return "lapsed"
        if silent > timedelta(days=90):
            return "at_risk"
        if END - moments[0] <= timedelta(days=30):
            return "new"
        if len(moments) > 1 and moments[-1] - moments[-2] > timedelta(days=180):
            return "returned"
        return "active"

    wanted = {
        customer: stage(times[customer]) if customer in times else "prospect" for customer in customers.index
    }
    assert dict(customers["lifecycle_stage"]) == wanted
    assert {"prospect", "new", "active", "at_risk", "lapsed"} <= set(wanted.values())


def test_permission_is_what_the_consents_of_their_addresses_say(
    built_shop: BuiltShop, customers: pd.DataFrame, owners: dict[tuple[str, str, str], str]
) -> None:
    granted = frame(
        built_shop.url, "select email, topic from marts.consents where channel = 'email' and is_granted"
    )
    wanted: dict[str, set[str]] = {customer: set() for customer in customers.index}
    for email, topic in granted.to_numpy():
        wanted[owners["email", "", email]].add(topic)
    assert {customer: set(topics) for customer, topics in customers["email_topics"].items()} == wanted
    assert any(wanted.values())
