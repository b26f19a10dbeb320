"""Who the customers are, computed a second time: row by row over the raw tables of a built shop."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
import raw_rows
from parcels import BuiltShop
from raw_rows import STREAMS, Owners, Row

from rapport.demo.shop import END

SAID = ["first_name", "last_name", "country", "city", "postal_code", "time_zone", "language", "company_name"]
# Whom to believe first; of streams that are not named, last.
PRECEDENCE = {"contacts": 1, "orders": 2, "order_lines": 2}


@pytest.fixture(scope="module")
def customers(built_shop: BuiltShop) -> pd.DataFrame:
    return raw_rows.frame(built_shop.url, "select * from marts.customers").set_index("customer_id")


@pytest.fixture(scope="module")
def owners(built_shop: BuiltShop) -> Owners:
    return raw_rows.owners(built_shop.url)


def said(url: str, owners: Owners) -> Iterator[Row]:
    """The newest version of every record: its customer, source, time, precedence and what it says of them."""
    order_customers: dict[tuple[str, str], str] = {}
    for stream, (_, _, said_at) in STREAMS.items():
        told = raw_rows.newest(url, stream, END)
        for row in sorted(told, key=lambda row: (row[said_at], row["batch_id"], row["line_number"])):
            customer = raw_rows.owner(row, owners)
            if stream in ("orders", "order_lines"):
                order = (row["source"], row["order_id"])
                customer = (
                    order_customers.setdefault(order, customer) if customer else order_customers.get(order)
                )
            if customer:
                yield {
                    "customer": customer,
                    "source": row["source"],
                    "at": row[said_at],
                    "precedence": PRECEDENCE.get(stream, 3),
                    **{name: (row.get(name) or "").strip() or None for name in SAID},
                }


@pytest.mark.parametrize(("kind", "column"), [("email", "email"), ("phone", "phone")])
def test_the_address_and_the_number_are_those_seen_last(
    kind: str, column: str, built_shop: BuiltShop, customers: pd.DataFrame, owners: Owners
) -> None:
    seen: dict[str, tuple[float, str]] = {}  # value → how long ago, and by which source it was shown last
    for stream, (_, versions, said_at) in STREAMS.items():
        for row in raw_rows.rows(built_shop.url, stream, END):
            at = (row["updated_at"] if "updated_at" in versions else None) or row[said_at]
            for named, _, value in raw_rows.identifiers(row):
                if named == kind:
                    shown_now = (-at.timestamp(), row["source"])
                    seen[value] = min(seen.get(value, shown_now), shown_now)
    best: dict[str, tuple[str, str]] = {}
    for value, (_, source) in sorted(seen.items(), key=lambda item: (item[1][0], item[0])):
        best.setdefault(owners[kind, "", value], (value, source))
    shown = customers[[column, f"{column}_source"]].astype(object).where(lambda frame: frame.notna(), None)
    found = dict(zip(shown.index, shown.itertuples(index=False, name=None), strict=True))
    assert found == {customer: best.get(customer, (None, None)) for customer in customers.index}
    assert len(best) > 100
    assert len({source for _, source in best.values()}) > 1


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
    owners: Owners,
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
    orders = raw_rows.frame(built_shop.url, "select customer_id, ordered_at from marts.orders").dropna()
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


def test_permission_is_what_was_decided_last_about_an_address(
    built_shop: BuiltShop, customers: pd.DataFrame, owners: Owners
) -> None:
    decided: dict[tuple[str, str, str], list[Row]] = {}
    for row in raw_rows.newest(built_shop.url, "consents", END):
        decided.setdefault((row["email"].strip().lower(), row["channel"], row["topic"]), []).append(row)
    granted = set()
    for (email, channel, topic), decisions in decided.items():
        grants = [row for row in decisions if row["decision"] == "granted"]
        against = decisions + (decided.get((email, channel, "all"), []) if topic != "all" else [])
        stopped = [row["decided_at"] for row in against if row["decision"] == "withdrawn"]
        confirmed = [row["confirmed_at"] for row in grants if row["confirmed_at"]]
        newest = max(grants, key=lambda row: row["decided_at"], default=None)
        is_over = newest is not None and newest["expires_at"] is not None and newest["expires_at"] <= END
        if newest and not is_over and (not stopped or (confirmed and max(confirmed) > max(stopped))):
            granted.add((email, channel, topic))
    held = raw_rows.frame(built_shop.url, "select email, channel, topic, is_granted from marts.consents")
    assert {tuple(row[:3]): row[3] for row in held.to_numpy()} == {key: key in granted for key in decided}
    assert 0 < len(granted) < len(decided)

    wanted: dict[str, set[str]] = {customer: set() for customer in customers.index}
    for email, channel, topic in granted:
        if channel == "email":
            wanted[owners["email", "", email]].add(topic)
    assert {customer: set(topics) for customer, topics in customers["email_topics"].items()} == wanted
    assert any(wanted.values())


def test_tickets_and_answers_are_their_own(
    built_shop: BuiltShop, customers: pd.DataFrame, owners: Owners
) -> None:
    ratings: dict[str, Row] = {}
    for event in raw_rows.newest(built_shop.url, "ticket_events", END):
        if event["kind"] == "rating" and event["rating"] in ("1", "2", "3", "4", "5"):
            number = int(event["event_id"].rsplit("-", 1)[1])
            known = ratings.get(event["ticket_id"])
            if known is None or (event["occurred_at"], number) > (known["occurred_at"], known["number"]):
                ratings[event["ticket_id"]] = {**event, "number": number}
    answers: dict[tuple[str, str], list[tuple[Any, str, str, Any]]] = {}
    tickets: dict[str, list[Row]] = {}
    for ticket in raw_rows.newest(built_shop.url, "ticket_versions", END):
        customer = raw_rows.owner(ticket, owners)
        if customer:
            tickets.setdefault(customer, []).append(ticket)
            rating = ratings.get(ticket["ticket_id"])
            score = ticket["csat_score"] or (rating and int(rating["rating"]))
            told = [
                at for at in (ticket["solved_at"], ticket["updated_at"]) if at and at <= ticket["updated_at"]
            ]
            if score:
                at = rating["occurred_at"] if rating else told[0]
                own = answers.setdefault((customer, "csat"), [])
                own.append((-at.timestamp(), ticket["source"], ticket["ticket_id"], score))
    for answer in raw_rows.newest(built_shop.url, "survey_responses", END):
        customer = raw_rows.owner(answer, owners)
        if customer:
            own = answers.setdefault((customer, answer["metric"]), [])
            at = answer["responded_at"].timestamp()
            own.append((-at, answer["source"], answer["response_id"], answer["score"]))

    def wanted(customer: str) -> tuple[Any, ...]:
        own = tickets.get(customer, [])
        opened = [
            row["opened_at"] if row["opened_at"] <= row["updated_at"] else row["updated_at"] for row in own
        ]
        csat, nps = (
            min(answers.get((customer, metric), [(0, "", "", None)]))[3] for metric in ("csat", "nps")
        )
        group = (
            "promoter"
            if nps is not None and nps >= 9
            else "detractor"
            if nps is not None and nps <= 6
            else None
        )
        return (
            len(own),
            sum(row["status"] not in ("solved", "closed") for row in own),
            max(opened, default=None),
            csat,
            nps,
            "passive" if nps is not None and group is None else group,
        )

    columns = [
        "ticket_count",
        "open_ticket_count",
        "last_ticket_at",
        "last_csat_score",
        "last_nps_score",
        "nps_group",
    ]
    shown = customers[columns].astype(object).where(customers[columns].notna(), None)
    found = dict(zip(shown.index, shown.itertuples(index=False, name=None), strict=True))
    assert found == {customer: wanted(customer) for customer in customers.index}
    assert set(customers["nps_group"].dropna()) == {"promoter", "passive", "detractor"}
    assert customers["last_csat_score"].notna().sum() > 10


def test_companies_sum_up_their_people(
    built_shop: BuiltShop, customers: pd.DataFrame, owners: Owners
) -> None:
    people: dict[str, set[str]] = {}
    contacts: dict[str, int] = {}
    latest: dict[str, tuple[Any, str]] = {}
    for contact in raw_rows.newest(built_shop.url, "contacts", END):
        if contact["company_id"] is None:
            continue
        key = f"{contact['source']}:{contact['company_id']}"
        contacts[key] = contacts.get(key, 0) + 1
        customer = owners["contact", contact["source"], contact["contact_id"]]
        if customer not in latest or contact["updated_at"] > latest[customer][0]:
            latest[customer] = (contact["updated_at"], key)
    for customer, (_, key) in latest.items():
        people.setdefault(key, set()).add(customer)
    found = raw_rows.frame(built_shop.url, "select * from marts.companies").set_index("company_key")
    assert set(found.index) == set(contacts)
    assert dict(customers["company_key"].dropna()) == {one: key for one, (_, key) in latest.items()}
    sums = [
        "order_count",
        "gross_revenue",
        "returned_amount",
        "net_revenue",
        "ticket_count",
        "open_ticket_count",
    ]
    for key, row in found.iterrows():
        own = customers.loc[sorted(people.get(key, ()))]
        assert (row["contact_count"], row["customer_count"]) == (contacts[key], len(own)), key
        assert row[sums].tolist() == [sum(own[name]) for name in sums], key
        for name, best in (
            ("first_order_at", min),
            ("last_order_at", max),
            ("last_seen_at", max),
            ("last_ticket_at", max),
        ):
            assert row[name] == best(own[name].dropna(), default=None), (key, name)
        assert row[["open_deal_count", "won_deal_amount"]].tolist() == [0, 0]
    assert found["net_revenue"].sum() > 0
