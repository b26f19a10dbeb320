"""The shop's visits against a second computation: pandas over the event files."""

import gzip
import json
from pathlib import Path

import pandas as pd
import psycopg
import pytest
from parcels import BuiltShop

GAP = pd.Timedelta(minutes=30)
CHANNELS = {"cpc": "paid_search", "social": "organic_social", "email": "email", "partner": "affiliate"}


def query(url: str, statement: str) -> pd.DataFrame:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])


@pytest.fixture(scope="module")
def owners(built_shop: BuiltShop) -> dict[str, str]:
    """Device → customer."""
    known = query(built_shop.url, "select value, customer_id from identity.identifiers where kind = 'device'")
    return dict(zip(known["value"], known["customer_id"], strict=True))


@pytest.fixture(scope="module")
def visits(built_shop: BuiltShop, owners: dict[str, str]) -> pd.DataFrame:
    """One row a visit, by device and start."""
    events = read_events(built_shop.folder / "web_events").sort_values(["device", "at", "id"])
    pause = events.groupby("device")["at"].diff()
    events["visit"] = (pause.isna() | (pause > GAP)).cumsum()
    rows = []
    for _, own in events.groupby("visit"):
        first, names = own.iloc[0], set(own["event"])
        rows.append(
            {
                "anonymous_id": first["device"],
                "started_at": first["at"],
                "ended_at": own.iloc[-1]["at"],
                "event_count": len(own),
                "entry_page": first["url"],
                "exit_page": own.iloc[-1]["url"],
                "channel": channel(first),
                "has_cart": "add_to_cart" in names,
                "has_checkout": "checkout_started" in names,
                "has_purchase": "purchase" in names,
                "customer_id": owners.get(first["device"]),
            }
        )
    return pd.DataFrame(rows)


def read_events(folder: Path) -> pd.DataFrame:
    """The events that a careful reader keeps: whole ones, each id once."""
    kept: dict[str, dict[str, object]] = {}
    for path in sorted(folder.iterdir()):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            event = json.loads(line)
            if event["id"] and event["event"] and event["at"] != "yesterday" and event["value"] != "much":
                kept.setdefault(event["id"], event)
    frame = pd.DataFrame(list(kept.values()), dtype=object)
    frame["at"] = pd.to_datetime(frame["at"], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    return frame


def channel(event: pd.Series) -> str:
    if event["utm_medium"] is not None:
        return CHANNELS[event["utm_medium"]]
    return "organic_search" if "google" in (event["referrer"] or "") else "direct"


def test_every_visit_is_the_one_in_the_files(built_shop: BuiltShop, visits: pd.DataFrame) -> None:
    found = query(built_shop.url, f"select {', '.join(visits.columns)} from marts.sessions")
    key = ["anonymous_id", "started_at"]
    found, expected = (
        frame.astype(object).where(frame.notna(), None).sort_values(key).reset_index(drop=True)
        for frame in (found, visits)
    )
    assert len(expected) > 500
    assert found.to_dict("records") == expected.to_dict("records")
    assert query(built_shop.url, "select from marts.bot_sessions").empty


def test_customers_have_the_visits_of_their_devices(built_shop: BuiltShop, visits: pd.DataFrame) -> None:
    found = query(built_shop.url, "select * from intermediate.int_customer_visits").set_index("customer_id")
    for customer, own in visits.dropna(subset="customer_id").groupby("customer_id"):
        first, last = own.loc[own["started_at"].idxmin()], own.loc[own["started_at"].idxmax()]
        assert found.loc[customer].drop("run_id").to_dict() == {
            "session_count": len(own),
            "cart_session_count": own["has_cart"].sum(),
            "purchase_session_count": own["has_purchase"].sum(),
            "first_seen_at": first["started_at"],
            "last_seen_at": own["ended_at"].max(),
            "first_channel": first["channel"],
            "last_channel": last["channel"],
        }
    assert len(found) == visits["customer_id"].nunique() > 100
    names = ["session_count", "last_seen_at", "first_channel", "last_channel"]
    customers = query(built_shop.url, f"select customer_id, {', '.join(names)} from marts.customers")
    customers = customers.astype(object).where(customers.notna(), None).set_index("customer_id")
    for customer, row in customers.iterrows():
        seen = found.loc[customer, names].to_dict() if customer in found.index else None
        assert row.to_dict() == (seen or dict(zip(names, [0, None, None, None], strict=True))), customer
