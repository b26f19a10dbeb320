"""The cohort heat map: a row a month of first order, a column a month since, a shade for how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from rapport.web.pages.revenue.reading import CohortCell

SHADES = 10
SHOWS = {
    "retention": "Share of the cohort that ordered again",
    "customers": "Customers who ordered again",
    "revenue": "Net revenue",
}


@dataclass(frozen=True)
class Cell:
    """`shade` is 0 to 9, None where nothing is compared: month 0, in which everybody of the cohort bought."""

    value: Decimal | int | None
    shade: int | None
    is_over: bool


@dataclass(frozen=True)
class Cohort:
    """A row; months that have not come yet have no cell."""

    month: date
    customers: int
    cells: list[Cell]


def cohort_rows(cells: Sequence[CohortCell], show: str, last_month_is_over: bool) -> list[Cohort]:
    """The table, the newest cohort last; shades are tenths of the greatest value after month 0."""
    greatest = max(
        (value for cell in cells if cell.months_since and (value := _value(cell, show))), default=0
    )
    rows: dict[date, list[CohortCell]] = {}
    for cell in cells:
        rows.setdefault(cell.cohort_month, []).append(cell)
    return [
        Cohort(
            month,
            row[0].customer_count,
            [
                Cell(
                    _value(cell, show),
                    _shade(cell, show, greatest),
                    last_month_is_over or cell is not row[-1],
                )
                for cell in row
            ],
        )
        for month, row in sorted(rows.items())
    ]


def _value(cell: CohortCell, show: str) -> Decimal | int | None:
    if show == "customers":
        return cell.active_customer_count
    return cell.retention if show == "retention" else cell.net_revenue


def _shade(cell: CohortCell, show: str, greatest: Decimal | int) -> int | None:
    value = _value(cell, show)
    if value is None or not cell.months_since:
        return None
    if greatest <= 0 or value <= 0:
        return 0
    return min(SHADES - 1, int(SHADES * value / greatest))
