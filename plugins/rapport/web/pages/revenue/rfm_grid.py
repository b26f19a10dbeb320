"""The RFM grid: customers by how recently and how often they ordered, and where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rapport.web.pages.revenue.reading import Move

SCORES = (1, 2, 3, 4, 5)
SHADES = 10
Place = tuple[int, int]  # recency, frequency


@dataclass(frozen=True)
class Cell:
    """Who is in a cell now, how many were before, and how many of now have stayed."""

    place: Place
    customers: int
    before: int
    stayed: int
    revenue: Decimal | None
    shade: int

    @property
    def name(self) -> str:
        """As it stands in an address: recency-frequency."""
        return f"{self.place[0]}-{self.place[1]}"


@dataclass(frozen=True)
class Step:
    """Customers who came from a place or went to one; None = had not ordered by then."""

    place: Place | None
    customers: int


def grid(moves: Sequence[Move]) -> list[list[Cell]]:
    """Five rows, the most recent customers first, of five cells, the fewest orders first."""
    cells = {
        (recency, frequency): _cell((recency, frequency), moves) for recency in SCORES for frequency in SCORES
    }
    most = max((cell.customers for cell in cells.values()), default=0)
    shaded = {
        place: Cell(
            place, cell.customers, cell.before, cell.stayed, cell.revenue, _shade(cell.customers, most)
        )
        for place, cell in cells.items()
    }
    return [[shaded[recency, frequency] for frequency in SCORES] for recency in reversed(SCORES)]


def definition(place: Place) -> dict[str, object]:
    """Who is in a cell, as the segment builder asks for them."""
    scores = zip(("recency_score", "frequency_score"), place, strict=True)
    conditions = [{"column": column, "test": "equals", "value": str(score)} for column, score in scores]
    return {"match": "all", "conditions": conditions}


def came_from(moves: Sequence[Move], place: Place) -> list[Step]:
    """Where those who are in a cell now were before, the most first."""
    steps = [Step(_before(move), move.customers) for move in moves if _now(move) == place]
    return sorted(steps, key=_most_first)


def went_to(moves: Sequence[Move], place: Place) -> list[Step]:
    """Where those who were in a cell before are now, the most first."""
    steps = [Step(_now(move), move.customers) for move in moves if _before(move) == place]
    return sorted(steps, key=_most_first)


def _cell(place: Place, moves: Sequence[Move]) -> Cell:
    now = [move for move in moves if _now(move) == place]
    before = [move for move in moves if _before(move) == place]
    revenues = [move.net_revenue for move in now]
    known = [revenue for revenue in revenues if revenue is not None]
    return Cell(
        place,
        customers=sum(move.customers for move in now),
        before=sum(move.customers for move in before),
        stayed=sum(move.customers for move in now if _before(move) == place),
        revenue=sum(known, Decimal(0)) if len(known) == len(revenues) else None,
        shade=0,
    )


def _now(move: Move) -> Place:
    return move.recency, move.frequency


def _before(move: Move) -> Place | None:
    if move.recency_before is None or move.frequency_before is None:
        return None
    return move.recency_before, move.frequency_before


def _most_first(step: Step) -> tuple[int, Place]:
    return -step.customers, step.place or (0, 0)


def _shade(customers: int, most: int) -> int:
    return min(SHADES - 1, SHADES * customers // most) if most else 0
