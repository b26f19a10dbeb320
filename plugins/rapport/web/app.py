"""The pages as one web application, which Airflow's API server mounts."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from airflow.configuration import conf
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from rapport.errors import RapportError
from rapport.settings import Settings
from rapport.web import access, forms
from rapport.web.pages import builder, customers, segments, settings, today
from rapport.web.pages.campaigns import routes as campaigns
from rapport.web.pages.experience import routes as experience
from rapport.web.pages.revenue import routes as revenue
from rapport.web.rendering import page

STATIC = Path(__file__).parent / "static"
PAGES = (today, campaigns, customers, segments, experience, revenue, builder, settings)
# Packages that ship scripts: Chart.bundle.js, htmx-2.min.js.
LIBRARIES: list[str | tuple[str, str]] = [
    ("chartkick", "django/static/chartkick"),
    ("django_htmx", "static/django_htmx"),
]
# Scripts and styles come from our own files; Airflow shows the pages in a frame of its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """All pages. Every route but the static files asks for Airflow's log-in."""
    app = FastAPI(title="Rapport", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings or Settings.from_environment()
    app.state.form_tokens = forms.FormTokens(conf.get("api", "secret_key"))
    app.mount("/static", StaticFiles(directory=STATIC, packages=LIBRARIES))
    guards = [Depends(access.visitor), Depends(forms.our_own_form)]
    for module in PAGES:
        app.include_router(module.router, dependencies=guards)
    app.middleware("http")(_with_headers)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(RapportError, _failed)
    return app


async def _with_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    is_static = request.url.path.startswith(f"{request.scope.get('root_path', '')}/static/")
    response.headers["Cache-Control"] = "max-age=3600" if is_static else "no-store"
    return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
        wanted = f"{request.url.path}?{request.url.query}".removesuffix("?")
        return RedirectResponse(f"/auth/login?next={quote(wanted)}", status_code=303)
    return page(request, "refused.html", status_code=error.status_code, sentence=error.detail)


async def _misread(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
    sentence = f"This address asks for something that the page does not know. {'; '.join(faults)}."
    return page(request, "refused.html", status_code=422, sentence=sentence)


async def _failed(request: Request, error: Exception) -> Response:
    return page(request, "refused.html", status_code=503, sentence=str(error))
