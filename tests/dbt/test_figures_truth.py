"""What the pages of figures tell equals the marts, and what a figure opens are the rows it counts."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import parcels
import psycopg
import pytest

from rapport.demo.shop import END
from rapport.web.pages.experience import answers, behind, service
from rapport.web.pages.experience.filters import NOT_TOLD, Filter
from rapport.web.periods import last_periods, view_as_of

ALL = Filter({})
EVER = datetime.max.replace(tzinfo=UTC)
LAST_DAY = (END - timedelta(microseconds=1)).date()


@pytest.fixture(scope="module")
def warehouse(built_shop: parcels.BuiltShop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(built_shop.url, options="-c timezone=UTC") as connection:
        yield connection


def one(warehouse: psycopg.Connection, query: str) -> tuple:
    row = warehouse.execute(query).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return tuple(row)


def all_pages(ask) -> list:
    """Every row of a list, page by page, as its links lead through it."""
    found, after = [], None
    while True:
        rows = ask(after)
        found += rows[: behind.PAGE]
        if len(rows) <= behind.PAGE:
            return found
        after = found[-1].place


def test_the_view_is_that_of_the_run(warehouse: psycopg.Connection) -> None:
    assert view_as_of(warehouse, "no_such_mart") is None


@pytest.mark.parametrize("metric", answers.METRICS)
def test_intervals_of_months_are_those_of_the_mart(warehouse: psycopg.Connection, metric: str) -> None:
    said = answers.said(warehouse, "month", date(2000, 1, 1), date(2100, 1, 1), ALL)
    rows = warehouse.execute(
        """
        select
            answer_month, answer_count,
            coalesce(nps, 100 * satisfied_share), coalesce(nps_low, 100 * satisfied_share_low),
            coalesce(nps_high, 100 * satisfied_share_high)
        from marts.experience
        where dimension = 'all' and metric = %s
        """,
        [metric],
    ).fetchall()
    assert len(rows) > 3
    for month, count, *score in rows:
        row = said[metric, month]
        assert row.answers == count
        told = (row.score.estimate, row.score.low, row.score.high)
        assert [float(value) for value in score] == pytest.approx(told, abs=0.011)


@pytest.mark.parametrize("chosen", [{}, {"channel": "email"}])
def test_what_members_of_a_segment_said_is_counted_of_them_alone(
    warehouse: psycopg.Connection, chosen: dict[str, str]
) -> None:
    first, end = date(2000, 1, 1), date(2100, 1, 1)
    with warehouse.transaction(force_rollback=True):
        warehouse.execute(
            """
            insert into segments.members (segment, customer_id, reason)
            select 'all', customer_id, 'test' from marts.customers
            union all
            select 'some', customer_id, 'test' from marts.customers where order_count > 2
            """
        )
        asked = {segment: Filter({**chosen, "segment": segment}) for segment in ("all", "some", "none")}
        said = {name: answers.said(warehouse, "month", first, end, each) for name, each in asked.items()}
        assert said["none"] == {}
        counted = {name: sum(row.answers for row in rows.values()) for name, rows in said.items()}
        assert 0 < counted["some"] < counted["all"]
        for metric in answers.METRICS:
            listed = all_pages(
                lambda after, metric=metric: behind.answers(
                    warehouse,
                    False,
                    metric,
                    datetime(2000, 1, 1, tzinfo=UTC),
                    EVER,
                    None,
                    asked["some"],
                    after,
                )
            )
            assert len(listed) == sum(row.answers for (one, _), row in said["some"].items() if one == metric)
        mart = warehouse.execute(
            """
            select metric, answer_month, answer_count from marts.experience
            where dimension = 'segment' and dimension_value = 'some'
            """
        ).fetchall()
        if not chosen:
            told = {(metric, month): row.answers for (metric, month), row in said["some"].items()}
            assert {(metric, month): count for metric, month, count in mart} == told


@pytest.mark.parametrize("name", behind.MEASURES)
@pytest.mark.parametrize("chosen", [ALL, Filter({"channel": "email"}), Filter({"team": NOT_TOLD})])
def test_the_tickets_behind_a_month_are_those_it_counts(
    warehouse: psycopg.Connection, name: str, chosen: Filter
) -> None:
    measure = behind.MEASURES[name]
    end = END.date().replace(day=1)
    first = (end - timedelta(days=150)).replace(day=1)
    listed = all_pages(
        lambda after: behind.tickets_of_days(warehouse, False, measure, first, end, chosen, after)
    )
    assert len({(ticket.ticket_id, ticket.moment) for ticket in listed}) == len(listed) > 0
    counted = behind.total(warehouse, measure, first, end, chosen)
    if name in ("solved", "reopened"):  # a ticket may be solved twice on a day
        assert len(listed) <= counted <= 1.2 * len(listed)
    else:
        assert len(listed) == counted
    if chosen.chosen.get("channel"):
        assert {ticket.channel for ticket in listed} == {"email"}
    assert listed == sorted(
        listed,
        key=lambda ticket: (ticket.first, ticket.moment, ticket.source, ticket.ticket_id),
        reverse=True,
    )


def test_the_tickets_behind_a_backlog_are_those_it_counts(warehouse: psycopg.Connection) -> None:
    months = last_periods("month", END, 6)
    served = service.served(warehouse, "month", months[0].start, months[-1].end, LAST_DAY, ALL)
    most = 0
    for month in months:
        day = min(month.end - timedelta(days=1), LAST_DAY)
        row = served[month.start]
        for older, younger, counted in (
            (0, None, row.backlog),
            (0, 1, row.backlog - row.over_1_day),
            (1, 7, row.over_1_day - row.over_7_days),
            (7, 30, row.over_7_days - row.over_30_days),
            (30, None, row.over_30_days),
        ):
            listed = all_pages(
                lambda after, day=day, ages=(older, younger): behind.backlog(
                    warehouse, False, day, *ages, ALL, after
                )
            )
            assert len(listed) == counted, (day, older, younger)
            most = max(most, len(listed))
    assert most > 0
    assert (
        served[months[-1].start].backlog
        == one(warehouse, "select count(*) from marts.tickets where is_open")[0]
    )


def test_what_is_behind_a_pain_point_are_its_complaints(warehouse: psycopg.Connection) -> None:
    pains = answers.pain_points(warehouse, 100)
    assert {pain.kind for pain in pains} >= {"ticket", "nps"}
    for pain in pains:
        chosen = Filter({}).but_for("category", pain.topic)
        if pain.kind == "ticket":
            listed = all_pages(
                lambda after, pain=pain, chosen=chosen: behind.complaints(
                    warehouse, False, pain.counted_from, chosen, after
                )
            )
        else:
            listed = all_pages(
                lambda after, pain=pain, chosen=chosen: behind.answers(
                    warehouse, False, pain.kind, pain.counted_from, EVER, "bad", chosen, after
                )
            )
        assert len(listed) == pain.complaints, pain


def test_who_sees_masked_data_alone_gets_neither_subject_nor_comment(warehouse: psycopg.Connection) -> None:
    """As the reader's role asks: from the schema that it may read."""
    first, end = date(2000, 1, 1), LAST_DAY
    opened = behind.MEASURES["opened"]
    seen = behind.tickets_of_days(warehouse, True, opened, first, end, ALL, None)
    full = behind.tickets_of_days(warehouse, False, opened, first, end, ALL, None)
    assert [ticket.ticket_id for ticket in seen] == [ticket.ticket_id for ticket in full]
    assert {ticket.subject for ticket in seen} == {None} != {ticket.subject for ticket in full}
    since = datetime(2000, 1, 1, tzinfo=UTC)
    for is_masked in (True, False):
        told = all_pages(
            lambda after, is_masked=is_masked: behind.answers(
                warehouse, is_masked, "nps", since, EVER, None, ALL, after
            )
        )
        assert any(answer.comment for answer in told) != is_masked
