"""What campaigns did and changed, built in two steps, against a count in pandas."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from campaign_count import Shop
from campaign_rows import DAY
from mailed_shop import AS_OF
from psycopg.rows import dict_row

from rapport import warehouse
from rapport.demo.shop import END
from rapport.web.pages.campaigns import editions, funnel


@pytest.fixture(scope="module")
def shop(mailed_shop: str) -> Iterator[Shop]:
    with warehouse.connect(mailed_shop) as connection:
        yield Shop(connection, pd.Timestamp(AS_OF))


def rows_of(shop: Shop, table: str) -> list[dict[str, Any]]:
    with shop.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"select * from {table}").fetchall()  # type: ignore[arg-type]


def test_performance_counts_what_pandas_counts(shop: Shop) -> None:
    built = {}
    for row in rows_of(shop, "marts.campaign_performance"):
        counts = {
            name.removesuffix("_count"): value for name, value in row.items() if name.endswith("_count")
        }
        counts["net_revenue"] = round(float(row["net_revenue"]), 2)
        key = (row["edition_id"], row["variant"], row["day"])
        built[key] = {name: value for name, value in counts.items() if value}
    wanted = {
        key: {
            name: round(float(value), 2) if name == "net_revenue" else value
            for name, value in row.items()
            if value
        }
        for key, row in shop.performance().items()
    }
    assert built == wanted
    seen = {name for row in wanted.values() for name in row}
    assert {
        "clicked",
        "clicked_by_machines",
        "bounced_soft",
        "converted",
        "skipped_holdout",
        "waiting",
    } <= seen


def test_customers_know_what_was_mailed_to_them_and_what_they_did(shop: Shop) -> None:
    sent = shop.messages[shop.messages.state == "accepted"]
    clicked, _ = shop.clicks()
    opened = shop.opens()
    wanted = {
        person: (
            len(own),
            int(own.message_id.isin(opened | clicked).sum()),
            int(own.message_id.isin(clicked).sum()),
            own.accepted_at.max(),
        )
        for person, own in sent.groupby("person")
    }
    columns = ("email_count", "opened_email_count", "clicked_email_count", "last_emailed_at")
    customers = rows_of(shop, "marts.customers where email_count > 0")
    assert {row["customer_id"]: tuple(row[name] for name in columns) for row in customers} == wanted
    assert sum(row[0] for row in wanted.values()) > sum(row[1] for row in wanted.values()) > 0

    delivered = set(shop.events[shop.events.event == "delivered"].message_id)
    becomes = {"sent": set(sent.message_id), "delivered": delivered, "opened": opened, "clicked": clicked}
    touches = Counter(
        (message.person, event)
        for message in sent.itertuples()
        for event, messages in becomes.items()
        if message.message_id in messages
    )
    told = rows_of(shop, "marts.customer_timeline where kind = 'email'")
    assert Counter((row["customer_id"], row["detail"]) for row in told) == touches
    assert {event for _, event in touches} == set(becomes)


def test_the_funnel_of_a_page_has_every_candidate_once(shop: Shop) -> None:
    wanted = shop.connection.execute(
        """
        with reasons as (
            select edition_id, reason, max(messages) as messages
            from (
                select edition_id, state_reason as reason, count(*) as messages
                from activation.messages where state = 'skipped' group by edition_id, state_reason
                union all
                select edition_id, reason, messages from activation.edition_counts
            ) as counts
            group by edition_id, reason
        )

        select
            edition_id,
            count(*) filter (where state <> 'skipped'),
            (select sum(messages) from reasons where reasons.edition_id = messages.edition_id),
            count(*) filter (where state = 'accepted')
        from activation.messages
        group by edition_id
        """
    ).fetchall()
    settled = []
    for edition_id, planned, skipped, sent in wanted:
        edition = editions.find(shop.connection, edition_id)
        assert edition is not None
        counted = funnel.counts(shop.connection, edition)
        bars = {bar.label: bar.count for bar in funnel.funnel(counted, "order") if bar.kind == "stage"}
        assert (bars["Candidates"], bars["Planned mails"], bars["Sent"]) == (planned + skipped, planned, sent)
        ran = funnel._as_a_run_counted(shop.connection, edition_id)
        if ran is not None and edition.slot_at < END - 5 * DAY:
            settled.append(edition_id)
            of_run = replace(funnel._counted(ran), clicked=None, converted=None)
            assert of_run == replace(
                counted, clicked=None, converted=None, is_live=False, delivered=of_run.delivered,
                failed=of_run.failed,
            )  # fmt: skip
    assert len(settled) > 3


def test_lift_sums_what_pandas_sums(shop: Shop) -> None:
    built = {}
    for row in rows_of(shop, "marts.campaign_lift"):
        variance = row["capped_revenue_variance"]
        built[row["campaign"], row["period_number"], row["arm"], row["variant"]] = {
            "customer_count": row["customer_count"],
            "converted_count": row["converted_count"],
            "buyer_count": row["buyer_count"],
            "net_revenue": round(float(row["net_revenue"]), 2),
            "mean": round(row["mean_capped_revenue"], 6),
            "variance": round(variance, 3) if variance is not None else None,
            "cap": round(float(row["revenue_cap"]), 4),
            "left_out": row["left_out_count"],
            "settles_at": pd.Timestamp(row["settles_at"]),
        }
    wanted = shop.lift()
    assert {key: (built.get(key), row) for key, row in wanted.items() if built.get(key) != row} == {}
    assert len(built) == len(wanted)
    assert {key[1] for key in built} == {1, 2}
    assert {row["left_out"] for row in built.values()} == {0, 1}


def test_anna_is_told_why(shop: Shop) -> None:
    skipped, holdout = (
        shop.messages[shop.messages.state_reason == reason].iloc[0] for reason in ("suppressed", "holdout")
    )
    for message, sentence in (
        (skipped, "the address must not be written to"),
        (holdout, "in the share that gets nothing, to see what the campaign earns"),
    ):
        told = shop.connection.execute(
            "select what_became_of_it from marts.message_history where customer_id = %s and edition_id = %s",
            [message.person, message.edition_id],
        ).fetchall()
        assert told == [(sentence,)]


def test_history_has_every_message_once_and_no_address(shop: Shop) -> None:
    every = shop.connection.execute("select count(*) from activation.messages").fetchone()
    told = shop.connection.execute(
        "select count(*), count(distinct message_id) from marts.message_history"
    ).fetchone()
    assert every is not None
    assert told == (every[0], every[0])


def test_somebodys_history_is_found_by_index(shop: Shop) -> None:
    # So few messages are read whole; with these the planner shows which index a million would be found by.
    for method in ("seqscan", "hashjoin", "mergejoin"):
        shop.connection.execute(f"set local enable_{method} = off")  # type: ignore[arg-type]
    plan = shop.connection.execute(
        "explain select * from marts.message_history where customer_id = 'c_1'"
    ).fetchall()
    shop.connection.rollback()
    text = "\n".join(line for (line,) in plan)
    assert "messages_of_customer" in text, text


def test_the_last_click_before_an_order_takes_it(shop: Shop) -> None:
    built = {
        (row["edition_id"], row["variant"], row["day"]): row["order_count"]
        for row in rows_of(shop, "activation.last_touch_revenue")
    }
    assert sum(built.values()) > 0
    assert built == last_touch(shop)


def last_touch(shop: Shop) -> dict[tuple[Any, ...], int]:
    human = rows_of(shop, "intermediate.int_judged_events where is_human and event = 'clicked'")
    messages = shop.messages[shop.messages.state == "accepted"].set_index("message_id")
    touches = [
        (messages.person[one["message_id"]], pd.Timestamp(one["occurred_at"]), one["message_id"])
        for one in human
        if one["message_id"] in messages.index
    ]
    found: dict[tuple[Any, ...], int] = {}
    for order in shop.orders.dropna(subset=["customer_id"]).itertuples():
        before = [
            (at, message)
            for person, at, message in touches
            if person == order.customer_id
            and at <= order.ordered_at
            and at > order.ordered_at - timedelta(days=7)
        ]
        if before:
            message = messages.loc[max(before, key=lambda one: one[0])[1]]
            key = (
                message.edition_id,
                message.variant if isinstance(message.variant, str) else None,
                order.ordered_at.date(),
            )
            found[key] = found.get(key, 0) + 1
    return found
