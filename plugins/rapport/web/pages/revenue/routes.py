"""The revenue pages: over time, cohorts, RFM, products."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from rapport.web.access import Viewer
from rapport.web.database import figures
from rapport.web.drawing import Chart, Series
from rapport.web.pages.revenue import cohort_table, reading, rfm_grid
from rapport.web.pages.revenue.reading import Takings
from rapport.web.periods import Period, Unit, last_periods, periods_between, view_as_of
from rapport.web.rendering import page
from rapport.web.visitors import Role

router = APIRouter(prefix="/revenue")
SHOWN: Mapping[Unit, int] = {"month": 19, "week": 26, "day": 31}
COHORTS = 18
PRODUCTS, PAIRS = 50, 30
FEW_UNITS = 20  # of a product sold less often, a return rate says nothing
SMALLER: Mapping[Unit, Unit] = {"month": "day", "week": "day"}


@router.get("")
def revenue(
    request: Request,
    who: Viewer,
    by: Unit = "month",
    since: date | None = None,
    until: date | None = None,
    shop: str = "",
    currency: str = "",
) -> HTMLResponse:
    """Net revenue, orders, average order and returns, period by period."""
    with figures(request.app.state.settings) as connection:
        as_of = view_as_of(connection, "revenue_daily")
        reporting = reading.reporting_currency(connection) if as_of is not None else None
        if as_of is None or reporting is None:
            return page(request, "revenue/empty.html", who=who)
        if since is not None and until is not None and since < until:
            periods = periods_between(by, since, until, as_of)
        else:
            periods = last_periods(by, as_of, SHOWN[by])
        first, end = periods[0].start, periods[-1].end
        found = reading.takings(connection, by, first, end, shop or None, currency or None)
        sold = reading.sellings(connection, first, end)
    chosen = {"shop": shop, "currency": currency}
    rows = [(period, found.get(period.start) or _nothing(period)) for period in periods]
    complete = [row for row in rows if row[0].is_over]
    return page(
        request,
        "revenue/overview.html",
        who=who,
        by=by,
        since=since,
        until=until,
        shop=shop,
        currency=currency,
        unit=currency or reporting,
        reporting=reporting,
        rows=rows,
        charts=_charts(rows, currency or reporting, _links(request, rows, by, chosen)),
        last=complete[-1] if complete else None,
        before=complete[-2] if len(complete) > 1 else None,
        sold=sold,
        shops=sorted({row.source for row in sold}),
        currencies=sorted({row.currency for row in sold if row.currency}),
        unknown=[
            row for row in sold if row.net_revenue is None and row.orders and (not shop or row.source == shop)
        ],
    )


@router.get("/cohorts")
def cohorts(
    request: Request, who: Viewer, show: Literal["retention", "customers", "revenue"] = "retention"
) -> HTMLResponse:
    """Who first bought in a month, and what became of them."""
    with figures(request.app.state.settings) as connection:
        as_of = view_as_of(connection, "cohorts")
        cells = reading.cohorts(connection, COHORTS) if as_of is not None else []
    if as_of is None or not cells:
        return page(request, "revenue/empty.html", who=who)
    rows = cohort_table.cohort_rows(cells, show, last_periods("month", as_of, 1)[0].is_over)
    return page(
        request,
        "revenue/cohorts.html",
        who=who,
        show=show,
        shows=cohort_table.SHOWS,
        rows=rows,
        columns=max(len(row.cells) for row in rows),
        currency=cells[0].reporting_currency,
        has_unknown=show == "revenue" and any(cell.net_revenue is None for cell in cells),
    )


@router.get("/rfm")
def rfm(request: Request, who: Viewer, cell: str = "") -> HTMLResponse:
    """How recently and how often customers ordered, and the moves since a month ago."""
    with figures(request.app.state.settings) as connection:
        moves = reading.moves(connection) if view_as_of(connection, "rfm_moves") is not None else []
    if not moves:
        return page(request, "revenue/empty.html", who=who)
    rows = rfm_grid.grid(moves)
    chosen = next((each for row in rows for each in row if each.name == cell), None)
    return page(
        request,
        "revenue/rfm.html",
        who=who,
        rows=rows,
        chosen=chosen,
        builder=_in_builder(request, chosen.place) if chosen and who.may(Role.MARKETER) else None,
        came_from=rfm_grid.came_from(moves, chosen.place) if chosen else [],
        went_to=rfm_grid.went_to(moves, chosen.place) if chosen else [],
        currency=moves[0].reporting_currency,
        compared_with=moves[0].compared_with,
        total=sum(move.customers for move in moves),
        newcomers=sum(move.customers for move in moves if move.recency_before is None),
        has_unknown=any(move.net_revenue is None for move in moves),
    )


@router.get("/products")
def products(
    request: Request, who: Viewer, sort: Literal["revenue", "units", "customers", "returns"] = "revenue"
) -> HTMLResponse:
    """What sells best, and what is bought together."""
    with figures(request.app.state.settings) as connection:
        if view_as_of(connection, "product_affinity") is None:
            return page(request, "revenue/empty.html", who=who)
        best = reading.best_products(connection, sort, FEW_UNITS, PRODUCTS)
        pairs = reading.best_pairs(connection, PAIRS)
    if not best and not pairs and sort == "revenue":
        return page(request, "revenue/empty.html", who=who)
    return page(
        request,
        "revenue/products.html",
        who=who,
        sort=sort,
        sorts=list(reading.SORTS),
        products=best,
        pairs=pairs,
        few=FEW_UNITS,
        has_shops=len({product.source for product in best}) > 1,
    )


def _in_builder(request: Request, place: rfm_grid.Place) -> str:
    """The segment builder with who is in a cell."""
    root = request.scope.get("root_path", "")
    asked = json.dumps(rfm_grid.definition(place), separators=(",", ":"))
    return f"{root}/builder/new?{urlencode({'definition': asked})}"


def _nothing(period: Period) -> Takings:
    return Takings(period.start, 0, 0, Decimal(0), Decimal(0), Decimal(0))


def _charts(
    rows: Sequence[tuple[Period, Takings]], currency: str, links: Sequence[str]
) -> tuple[Chart, Chart, Chart, Chart]:
    labels = [period.label for period, _ in rows]
    is_partial = not rows[-1][0].is_over

    def chart(
        title: str,
        values: Sequence[Decimal | int | None],
        kind: Literal["line", "bar"],
        unit: str = "",
        places: int = 0,
        from_zero: bool = False,
    ) -> Chart:
        drawn = [None if value is None else float(value) for value in values]
        return Chart(
            title,
            labels,
            [Series(title, drawn)],
            kind,
            unit,
            places,
            links,
            is_partial=is_partial,
            from_zero=from_zero,
        )

    shares = [None if row.returned_share is None else 100 * row.returned_share for _, row in rows]
    return (
        chart("Net revenue", [row.net for _, row in rows], "bar", currency),
        chart("Orders", [row.orders for _, row in rows], "bar"),
        chart("Average order, gross", [row.average_order for _, row in rows], "line", currency, 2),
        chart("Given back, of gross revenue", shares, "line", "%", 1, from_zero=True),
    )


def _links(
    request: Request, rows: Sequence[tuple[Period, Takings]], by: Unit, chosen: Mapping[str, str]
) -> list[str]:
    """What a click on a period opens: its days."""
    if by not in SMALLER:
        return []
    root = request.scope.get("root_path", "")
    kept = {name: value for name, value in chosen.items() if value}
    return [
        f"{root}/revenue?{urlencode({'by': SMALLER[by], 'since': period.start, 'until': period.end, **kept})}"
        for period, _ in rows
    ]
