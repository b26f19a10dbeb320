"""Pictures of figures: charts that the page's script draws with Chart.js, and small ones drawn here as SVG.

Each chart comes with its table, so that nothing is told by a picture alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

WIDTH, HEIGHT = 120, 28


@dataclass(frozen=True)
class Series:
    """A line or a row of bars; `low` and `high` are its confidence interval, drawn as a band or whiskers.

    None is a gap: a figure that is not known is never drawn as zero. `notes`, one a value, stand beside the
    value where it is told in words ("57 answers"); `links` are what a click on it opens, where the chart has
    none for all series.
    """

    name: str
    values: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    notes: Sequence[str] = ()
    links: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """`links`, one a label, is what a click on a point and the label in the table open.

    `is_partial` says that the last label's period is not over: it is drawn paler, and its line dashed.
    An axis of bars begins at zero, that of lines where `from_zero` says so.
    """

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    kind: Literal["line", "bar"] = "line"
    unit: str = ""
    places: int = 0
    links: Sequence[str] = field(default=())
    is_stacked: bool = False
    is_partial: bool = False
    from_zero: bool = False

    @property
    def as_json(self) -> str:
        """What `charts.js` reads."""
        return json.dumps(
            {
                "kind": self.kind,
                "labels": list(self.labels),
                "unit": self.unit,
                "places": self.places,
                "links": list(self.links),
                "stacked": self.is_stacked,
                "partial": self.is_partial,
                "fromZero": self.from_zero or self.kind == "bar",
                "series": [
                    {
                        "name": one.name,
                        "values": _numbers(one.values),
                        "low": _numbers(one.low),
                        "high": _numbers(one.high),
                        "notes": list(one.notes),
                        "links": list(one.links),
                    }
                    for one in self.series
                ],
            }
        )


def sparkline(values: Sequence[float | None], label: str) -> Markup:
    """A trend in a line of text; `label` says it in words."""
    known = [(place, float(value)) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(value for _, value in known), max(value for _, value in known)
    across, up = (WIDTH - 4) / max(len(values) - 1, 1), (HEIGHT - 6) / ((high - low) or 1)
    points = " ".join(
        f"{2 + place * across:.1f},{HEIGHT - 3 - (value - low) * up:.1f}" for place, value in known
    )
    return Markup(
        '<svg class="sparkline" role="img" aria-label="{}" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<polyline points="{}"/></svg>'
    ).format(label, points, w=WIDTH, h=HEIGHT)


def interval(low: float, estimate: float, high: float, label: str, reach: float | None = None) -> Markup:
    """An estimate with its interval, on an axis from -reach to +reach; `label` says it in words."""
    reach = reach or max(abs(low), abs(high), abs(estimate)) * 1.1 or 1.0
    width, middle = 260, 130

    def place(value: float) -> float:
        return middle + max(-1.0, min(1.0, value / reach)) * (middle - 8)

    tone = "good" if low > 0 else "bad" if high < 0 else "open"
    return Markup(
        '<svg class="interval {}" role="img" aria-label="{}" width="{w}" height="34" viewBox="0 0 {w} 34">'
        '<line class="zero" x1="{m}" x2="{m}" y1="3" y2="31"/>'
        '<line class="span" x1="{:.1f}" x2="{:.1f}" y1="17" y2="17"/>'
        '<circle cx="{:.1f}" cy="17" r="5"/></svg>'
    ).format(tone, label, place(low), place(high), place(estimate), w=width, m=middle)


def _numbers(values: Sequence[float | None] | None) -> list[float | None] | None:
    return None if values is None else [None if value is None else float(value) for value in values]
