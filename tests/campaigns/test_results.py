"""The results of a campaign, read from the marts and printed."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from rich.console import Console

from rapport import warehouse
from rapport.campaigns import lift
from rapport.campaigns.effects import Status
from rapport.campaigns.results import CampaignResults, results
from rapport.campaigns.results_printing import print_results
from rapport.errors import InputError

MEASURED = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)

MARTS = """
create table marts.campaign_performance (
    campaign text, planned_count bigint, accepted_count bigint, delivered_count bigint, clicked_count bigint,
    unsubscribed_count bigint, complained_count bigint, bounced_count bigint, skipped_count bigint,
    converted_count bigint, net_revenue numeric, has_unconverted_revenue boolean
);
create table marts.campaign_lift (
    campaign text, period_number int, arm text, variant text, starts_at timestamptz, closes_at timestamptz,
    settles_at timestamptz, customer_count bigint, converted_count bigint, buyer_count bigint,
    unconverted_count bigint, net_revenue numeric, revenue_cap numeric,
    mean_capped_revenue double precision, capped_revenue_variance double precision, currency text,
    left_out_count bigint, two_variants_count bigint, measured_at timestamptz
);
create table marts.campaign_lift_by_edition (
    campaign text, step text, edition_number bigint, arm text, slot_at timestamptz, settles_at timestamptz,
    customer_count bigint, converted_count bigint
);
create table activation.last_touch_revenue (
    campaign text, order_count bigint, net_revenue numeric, has_unconverted_revenue boolean
);
insert into marts.campaign_performance values
    ('letter', 9000, 8900, 8500, 400, 20, 2, 300, 500, 450, 35000, false),
    ('letter', 100, 100, 100, 1, 0, 0, 0, 0, 5, 100.5, false),
    ('other', 10, 10, 10, 0, 0, 0, 0, 0, 0, null, true);
insert into activation.last_touch_revenue values ('letter', 31, 2400, false);
"""


def add_arm(
    connection: psycopg.Connection,
    arm: str,
    sums: tuple[int, int, int, float, float],
    *,
    campaign: str = "letter",
    period: int = 1,
    variant: str | None = None,
    settles_at: datetime = MEASURED,
) -> None:
    customers, converted, buyers, mean, variance = sums
    connection.execute(
        """
        insert into marts.campaign_lift values (
            %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 1000, 80, %s, %s, 'EUR', 3, 1, %s
        )
        """,
        [
            campaign,
            period,
            arm,
            variant,
            settles_at - 90 * DAY,
            settles_at - 14 * DAY,
            settles_at,
            customers,
            converted,
            buyers,
            mean,
            variance,
            MEASURED,
        ],
    )


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[psycopg.Connection]:
    """A warehouse with a campaign whose first period is over and whose second is not."""
    with warehouse.connect(warehouse_url) as connection:
        connection.execute(MARTS)
        add_arm(connection, "treatment", (9_000, 450, 450, 4.0, 400.0))
        add_arm(connection, "holdout", (3_000, 110, 110, 2.5, 300.0))
        add_arm(connection, "treatment", (4_500, 240, 240, 4.1, 400.0), variant="a")
        add_arm(connection, "treatment", (4_500, 210, 210, 3.9, 400.0), variant="b")
        later = MEASURED + 30 * DAY
        add_arm(connection, "treatment", (500, 20, 20, 4.0, 400.0), period=2, settles_at=later)
        add_arm(connection, "holdout", (100, 1, 1, 4.0, 400.0), period=2, settles_at=later)
        add_arm(connection, "treatment", (500, 50, 20, 4.0, 400.0), campaign="*")
        add_arm(connection, "holdout", (49, 1, 1, 4.0, 400.0), campaign="*")
        for number, arm, customers, converted, settles_at in (
            (1, "treatment", 8_000, 400, MEASURED),
            (1, "holdout", 2_700, 100, MEASURED),
            (2, "treatment", 900, 40, MEASURED + DAY),
            (2, "holdout", 300, 9, MEASURED + DAY),
        ):
            connection.execute(
                "insert into marts.campaign_lift_by_edition values ('letter', null, %s, %s, %s, %s, %s, %s)",
                [number, arm, MEASURED - 60 * DAY, settles_at, customers, converted],
            )
        yield connection


def test_each_period_is_judged_by_itself(connection: psycopg.Connection) -> None:
    found = results(connection, "letter", MEASURED + DAY)
    first, second = found.periods
    assert first.effect is not None
    assert second.effect is not None
    assert first.effect.conversion == lift.conversion_difference(450, 9_000, 110, 3_000)
    assert first.effect.revenue == lift.mean_difference(4.0, 400.0, 9_000, 2.5, 300.0, 3_000)
    assert second.effect.status is Status.COLLECTING
    assert (first.left_out, first.in_two_variants, found.currency) == (3, 1, "EUR")
    assert [(pair.one, pair.other, pair.is_finding) for pair in first.comparisons] == [("a", "b", False)]
    assert [edition.effect.status for edition in found.editions] == [Status.MEASURED, Status.COLLECTING]


def test_what_no_run_has_seen_yet_is_not_judged(connection: psycopg.Connection) -> None:
    """Neither before the end, nor by a run that was before the end."""
    early = results(connection, "letter", MEASURED - DAY)
    assert early.periods[0].effect is not None
    assert early.periods[0].effect.status is Status.COLLECTING
    late = results(connection, "letter", MEASURED + 365 * DAY)
    assert late.periods[1].effect is not None
    assert late.periods[1].effect.status is Status.COLLECTING


def test_the_funnel_adds_up_editions(connection: psycopg.Connection) -> None:
    funnel = results(connection, "letter", MEASURED).funnel
    assert funnel is not None
    assert (funnel.planned, funnel.sent, funnel.clicked, float(funnel.net_revenue or 0)) == (
        9_100,
        9_000,
        401,
        35_100.5,
    )
    every = results(connection, "*", MEASURED)
    assert every.funnel is not None
    assert (every.funnel.planned, every.funnel.net_revenue) == (9_110, None)
    assert every.periods[0].effect is not None
    assert every.periods[0].effect.status is Status.NOT_ENOUGH_DATA


def page(found: CampaignResults) -> str:
    out = io.StringIO()
    print_results(found, Console(file=out, width=110, highlight=False, no_color=True))
    return out.getvalue()


def test_the_page_says_it_in_words(connection: psycopg.Connection) -> None:
    text = page(results(connection, "letter", MEASURED))
    for sentence in (
        "Campaign letter, as of 2026-07-01 00:00 UTC",
        "It changed the share who reach the goal by +1.33 percentage points",
        "It earned +1.50 EUR per customer assigned",
        "Collecting, ends on 2026-07-31.",
        "Variants a and b cannot be told apart",
        "3 customers had both arms, because they were merged; they are left out.",
        "1 of 2026-05-02",
        "31 orders came through its mails, worth 2,400.00 EUR. Not incremental",
    ):
        assert sentence in text


def test_while_it_collects_the_page_shows_no_figures(connection: psycopg.Connection) -> None:
    text = page(results(connection, "letter", MEASURED - DAY))
    assert "%" not in text.split("Assigned from", 1)[1].split("By edition")[0]


def test_a_campaign_without_a_holdout_has_nothing_to_compare_with(connection: psycopg.Connection) -> None:
    connection.execute("delete from marts.campaign_lift")
    assert "nobody was held out" in page(results(connection, "letter", MEASURED))


def test_variants_are_compared_without_a_holdout_too(connection: psycopg.Connection) -> None:
    connection.execute("delete from marts.campaign_lift where arm = 'holdout'")
    text = page(results(connection, "letter", MEASURED))
    assert "Variants a and b cannot be told apart" in text
    assert "Nobody was held out" in text
    assert "Variants are compared on 2026-07-01." in page(results(connection, "letter", MEASURED - DAY))


def test_an_unknown_campaign_and_a_warehouse_without_a_run_are_refused(
    connection: psycopg.Connection, second_warehouse_url: str
) -> None:
    with pytest.raises(InputError, match="no run has counted a campaign 'lettre' yet"):
        results(connection, "lettre", MEASURED)
    with warehouse.connect(second_warehouse_url) as empty, pytest.raises(InputError, match="no results yet"):
        results(empty, "letter", MEASURED)
