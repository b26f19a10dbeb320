"""The shop's timeline and journeys against a second computation, customer by customer in plain Python."""

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from parcels import BuiltShop
from psycopg.rows import dict_row

from rapport.demo.shop import END

SILENCE = timedelta(days=30)
LONGEST = 8

Row = dict[str, Any]


def query(url: str, statement: str) -> list[Row]:
    with psycopg.connect(url, options="-c timezone=UTC", row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def touches(built_shop: BuiltShop) -> list[Row]:
    """The timeline, in the order of time; what led to an ending at the same time comes before it."""
    rows = query(built_shop.url, "select * from marts.customer_timeline")
    ends = {"order": 1, "ticket": 2}
    return sorted(rows, key=lambda row: (row["happened_at"], ends.get(row["kind"], 0), row["touch_id"]))


def test_the_timeline_holds_what_the_marts_hold(built_shop: BuiltShop, touches: list[Row]) -> None:
    told: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    names = ("customer_id", "record_id", "happened_at", "detail", "amount", "currency")
    for touch in touches:
        told[touch["kind"]][tuple(touch[name] for name in names)] += 1
    for kind, table, record, time, detail, amount in (
        ("order", "orders", "order_id", "ordered_at", "sales_channel", "gross_amount"),
        ("return", "returns", "return_key", "returned_at", "kind", "amount"),
        ("visit", "sessions", "session_id", "started_at", "channel", None),
        ("ticket", "tickets", "ticket_id", "opened_at", "category", None),
        ("survey", "survey_responses", "response_id", "responded_at", "metric", None),
    ):
        money = f"{amount}, currency" if amount else "null, null"
        with psycopg.connect(built_shop.url, options="-c timezone=UTC") as connection:
            rows = connection.execute(
                f"select customer_id, {record}, {time}, {detail}, {money} from marts.{table}"  # type: ignore[arg-type]
                " where customer_id is not null"
            ).fetchall()
        assert told[kind] == Counter(rows), kind
        assert rows, kind
    decisions = query(built_shop.url, "select consent_id from raw.consents where decided_at < now()")
    assert sum(told["consent"].values()) == len(decisions) > 0
    assert max(touch["happened_at"] for touch in touches) < END


def test_journeys_end_where_a_reader_of_the_timeline_ends_them(
    built_shop: BuiltShop, touches: list[Row]
) -> None:
    sessions = {row["session_id"]: row for row in query(built_shop.url, "select * from marts.sessions")}
    by_customer = defaultdict(list)
    for touch in touches:
        by_customer[touch["customer_id"]].append(touch)
    expected = [
        summary(customer, journey, sessions) for customer, own in by_customer.items() for journey in cut(own)
    ]
    names = ", ".join(expected[0])
    found = query(built_shop.url, f"select {names} from marts.journeys")
    order = ["customer_id", "started_at", "ended_at"]
    assert sorted(found, key=lambda row: [row[name] for name in order]) == sorted(
        expected, key=lambda row: [row[name] for name in order]
    )
    assert {row["outcome"] for row in found} == {"purchase", "ticket", "silence", "open"}
    assert max(row["step_count"] for row in found) > 3


def cut(own: list[Row]) -> list[list[Row]]:
    """One customer's touches, cut after each order and ticket and in each silence."""
    journeys: list[list[Row]] = []
    for touch in own:
        last = journeys[-1][-1] if journeys else None
        if (
            last is None
            or last["kind"] in ("order", "ticket")
            or touch["happened_at"] - last["happened_at"] > SILENCE
        ):
            journeys.append([])
        journeys[-1].append(touch)
    return journeys


def summary(customer: str, journey: list[Row], sessions: dict[str, Row]) -> Row:
    last, ended = journey[-1], journey[-1]["happened_at"]
    outcome = {"order": "purchase", "ticket": "ticket"}.get(last["kind"])
    walked: list[str] = []
    stages = {"none"}
    for touch in journey:
        if touch["kind"] in ("order", "ticket"):
            continue
        if touch["kind"] == "visit":
            visit = sessions[touch["record_id"]]
            walked.append(f"{'cart' if visit['has_cart'] else 'visit'} ({visit['channel']})")
            stages |= {"visit"} | {name for name in ("cart", "checkout") if visit[f"has_{name}"]}
            stages |= {"checkout"} if visit["has_purchase"] else set()
        else:
            walked.append(f"consent {touch['detail']}" if touch["kind"] == "consent" else touch["kind"])
    steps = [step for place, step in enumerate(walked) if place == 0 or walked[place - 1] != step]
    shown = " > ".join((["…"] if len(steps) > LONGEST else []) + steps[-LONGEST:])
    far = [name for name in ("none", "visit", "cart", "checkout") if name in stages]
    return {
        "customer_id": customer,
        "started_at": journey[0]["happened_at"],
        "ended_at": ended,
        "outcome": outcome or ("silence" if END - ended > SILENCE else "open"),
        "ending_record_id": last["record_id"] if outcome else None,
        "path": shown or None,
        "first_step": steps[0] if steps else None,
        "last_step": steps[-1] if steps else None,
        "furthest_stage": "purchase" if outcome == "purchase" else far[-1],
        "step_count": len(steps),
        "touch_count": len(journey),
        "visit_count": sum(touch["kind"] == "visit" for touch in journey),
    }
