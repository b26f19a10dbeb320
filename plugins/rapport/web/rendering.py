"""From data to a page: the templates, and how numbers, times and lengths of time are written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A whole page; `root` in it is where the application is mounted."""
    root = request.scope.get("root_path", "")
    path = request.url.path.removeprefix(root)
    html = _ENVIRONMENT.get_template(template).render(root=root, path=path, **values)
    return HTMLResponse(html, status_code=status_code)


def count(value: int | float | None) -> str:
    """12345 → 12,345; nothing where it is not known."""
    return "" if value is None else f"{value:,}"


def moment(value: datetime | None) -> Markup:
    """A time: written in UTC, which the page's script turns into the viewer's own zone, with UTC on hover."""
    if value is None:
        return Markup("")
    exact = value.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{} UTC</time>').format(
        exact.isoformat(), f"{exact:%Y-%m-%d %H:%M:%S}", f"{exact:%d %b %Y, %H:%M}"
    )


def duration(seconds: float | None) -> str:
    """3.2 → 3.2 s, 75 → 1 min 15 s, 7300 → 2 h 1 min."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_ENVIRONMENT.filters |= {"count": count, "moment": moment, "duration": duration}
