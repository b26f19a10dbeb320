"""The tables and periods that the pages of figures make of what they read."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from fastapi import HTTPException

from rapport.web.pages.experience.filters import NOT_TOLD, Filter
from rapport.web.pages.revenue import cohort_table, rfm_grid
from rapport.web.pages.revenue.reading import CohortCell, Move
from rapport.web.periods import last_periods, periods_between

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


def test_a_period_is_over_at_its_end_and_not_before() -> None:
    may, june = last_periods("month", AS_OF, 2)
    assert (may.start, may.end, june.start) == (MAY, JUNE, JUNE)
    assert (june.is_over, june.label) == (True, "Jun 2026")
    (july,) = last_periods("month", AS_OF.replace(microsecond=1), 1)
    assert (july.is_over, july.label) == (False, "Jul 2026 so far")
    (week,) = last_periods("week", AS_OF, 1)
    assert (week.start, week.end, week.is_over) == (date(2026, 6, 29), date(2026, 7, 6), False)


def test_days_that_have_not_begun_are_not_shown() -> None:
    days = periods_between("day", date(2026, 6, 29), date(2026, 8, 1), AS_OF.replace(hour=9))
    assert [day.start.day for day in days] == [29, 30, 1]
    assert [day.is_over for day in days] == [True, True, False]
    with pytest.raises(HTTPException, match="more than 400 days"):
        periods_between("day", date(2024, 1, 1), date(2026, 8, 1), AS_OF)


def cohort(month: date, since: int, active: int, revenue: int | None) -> CohortCell:
    return CohortCell(
        month, since, 10, active, None if revenue is None else Decimal(revenue), Decimal(active) / 10, "EUR"
    )


CELLS = [cohort(MAY, 0, 10, 500), cohort(MAY, 1, 5, None), cohort(JUNE, 0, 10, 90)]


@pytest.mark.parametrize(
    ("show", "values", "shades"),
    [
        ("retention", [Decimal(1), Decimal("0.5"), Decimal(1)], [None, 9, None]),
        ("customers", [10, 5, 10], [None, 9, None]),
        ("revenue", [Decimal(500), None, Decimal(90)], [None, None, None]),
    ],
)
def test_cohorts_are_shaded_by_what_came_after_the_first_month(show, values, shades) -> None:
    rows = cohort_table.cohort_rows(CELLS, show, last_month_is_over=False)
    assert [row.month for row in rows] == [MAY, JUNE]
    cells = [cell for row in rows for cell in row.cells]
    assert [cell.value for cell in cells] == values
    assert [cell.shade for cell in cells] == shades
    assert [cell.is_over for cell in cells] == [True, False, False]


def test_a_cell_of_the_grid_knows_who_came_and_who_went() -> None:
    def move(now: tuple, before: tuple, customers: int, revenue: int | None) -> Move:
        net = None if revenue is None else Decimal(revenue)
        return Move(*now, *before, customers, net, "EUR", JUNE)

    moves = [
        move((5, 5), (5, 5), 4, 400),
        move((5, 5), (4, 5), 2, 100),
        move((4, 5), (5, 5), 3, None),
        move((5, 1), (None, None), 8, 80),
    ]
    rows = rfm_grid.grid(moves)
    best, worst = rows[0][4], rows[1][4]
    assert (best.name, best.customers, best.before, best.stayed, best.revenue) == ("5-5", 6, 7, 4, 500)
    assert (worst.customers, worst.before, worst.revenue) == (3, 2, None)
    assert (rows[0][0].shade, rows[4][4].shade) == (9, 0)
    assert rfm_grid.came_from(moves, (5, 5)) == [rfm_grid.Step((5, 5), 4), rfm_grid.Step((4, 5), 2)]
    assert rfm_grid.went_to(moves, (5, 5)) == [rfm_grid.Step((5, 5), 4), rfm_grid.Step((4, 5), 3)]
    assert rfm_grid.came_from(moves, (5, 1)) == [rfm_grid.Step(None, 8)]


def test_a_filter_asks_with_bound_values_and_keeps_them_in_links() -> None:
    chosen = Filter({"category": "'; drop"}).but_for("team", None)
    assert chosen.conditions == " and category = %(chosen_category)s and team is null"
    assert chosen.values["chosen_category"] == "'; drop"
    assert chosen.is_any == {"any_channel": True, "any_category": False, "any_team": False}
    address = chosen.address("/rapport", "/tickets", measure="opened", older_than=None)
    assert address == f"/rapport/experience/tickets?measure=opened&category=%27%3B+drop&team={NOT_TOLD}"
