"""From data to a page: the templates, and how numbers, money, times and lengths of time are written.

Numbers and times are written once for everybody, in English and UTC; the page's script then writes them as
the viewer's browser does, in the viewer's zone.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rapport.web import drawing, forms
from rapport.web.visitors import Role, Visitor

Number = int | float | Decimal


@dataclass(frozen=True)
class Entry:
    """A line of the navigation, for people of at least this role."""

    address: str
    name: str
    role: Role = Role.VIEWER

    def is_of(self, path: str) -> bool:
        """Whether a path belongs to this page."""
        return path == self.address or (self.address != "/" and path.startswith(f"{self.address}/"))


NAVIGATION = (
    Entry("/", "Today"),
    Entry("/campaigns", "Campaigns"),
    Entry("/customers", "Customers"),
    Entry("/segments", "Segments"),
    Entry("/experience", "Experience and service"),
    Entry("/revenue", "Revenue"),
    Entry("/builder", "Segment builder", Role.MARKETER),
    Entry("/settings", "Settings", Role.OPERATOR),
)

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request, template: str, who: Visitor | None = None, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page, or a part of one that htmx puts in; `root` in it is where the application is mounted."""
    root = request.scope.get("root_path", "")
    html = _ENVIRONMENT.get_template(template).render(
        root=root,
        path=request.url.path.removeprefix(root),
        who=who,
        navigation=[entry for entry in NAVIGATION if who is not None and who.may(entry.role)],
        form_token=request.app.state.form_tokens.give(who.name) if who is not None else "",
        form_field=forms.FIELD,
        form_header=forms.HEADER,
        **values,
    )
    return HTMLResponse(html, status_code=status_code)


def count(value: Number | None, places: int = 0) -> Markup:
    """12345 → 12,345; nothing where it is not known."""
    if value is None:
        return Markup("")
    return Markup('<data value="{}" data-places="{}">{}</data>').format(value, places, f"{value:,.{places}f}")


def money(value: Number | None, currency: str | None) -> Markup:
    """12345.5, "EUR" → EUR 12,345.50; nothing where the amount is not known."""
    if value is None:
        return Markup("")
    if currency is None:
        return count(value, 2)
    return Markup('<data value="{}" data-currency="{}">{} {}</data>').format(
        value, currency, currency, f"{value:,.2f}"
    )


def whole_money(value: Number | None, currency: str) -> Markup:
    """12345.5, "EUR" → EUR 12,346, where cents only get in the way."""
    if value is None:
        return Markup("")
    return Markup('<data value="{}" data-currency="{}" data-places="0">{} {}</data>').format(
        value, currency, currency, f"{value:,.0f}"
    )


def share(value: Number | None, places: int = 1) -> Markup:
    """0.1234 → 12.3 %; nothing where it is not known."""
    if value is None:
        return Markup("")
    return Markup('<data value="{}" data-percent="{}">{} %</data>').format(
        value, places, f"{value * 100:,.{places}f}"
    )


def moment(value: datetime | None) -> Markup:
    """A time, with UTC on hover."""
    if value is None:
        return Markup("")
    exact = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{} UTC</time>').format(
        exact.isoformat(), f"{exact:%Y-%m-%d %H:%M:%S}", f"{exact:%d %b %Y, %H:%M}"
    )


def day(value: date | None) -> str:
    """A calendar day, which no zone moves: 7 Jul 2026."""
    return "" if value is None else f"{value.day} {value:%b %Y}"


def day_before(value: date) -> date:
    """The last day of what ends where another day begins."""
    return value - timedelta(days=1)


def duration(seconds: Number | None) -> str:
    """3.2 → 3.2 s, 75 → 1 min 15 s, 7300 → 2 h 1 min."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def words(name: str | None) -> str:
    """no_longer_matches → no longer matches."""
    return "" if name is None else name.replace("_", " ")


_ENVIRONMENT.filters |= {
    "count": count,
    "money": money,
    "share": share,
    "whole_money": whole_money,
    "day_before": day_before,
    "moment": moment,
    "day": day,
    "duration": duration,
    "words": words,
    "sparkline": drawing.sparkline,
    "interval": drawing.interval,
}
