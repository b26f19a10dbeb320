"""Each route: who gets in, and what the browser is told."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest

from web.served_pages import PEOPLE, Pages

PROJECT = Path(__file__).parents[2]
FIGURES = (
    "/experience",
    "/experience/service",
    "/revenue",
    "/revenue/cohorts",
    "/revenue/rfm",
    "/revenue/products",
)
LISTS = ("/experience/tickets?since=2026-06-01", "/experience/answers?since=2026-06-01")

# Who may call each route, at the least. A new route is stated here, or the first of these tests fails.
STATED = {
    "viewer": (
        "GET /",
        "GET /runs/{run_id}",
        "GET /campaigns",
        "GET /campaigns/*",
        "GET /campaigns/{name}",
        "GET /campaigns/{name}/funnel/{edition:path}",
        "GET /campaigns/{name}/editions/{edition:path}",
        "GET /customers",
        "POST /customers",
        "GET /customers/{handle}",
        "GET /customers/{handle}/timeline",
        "GET /customers/{handle}/messages",
        "GET /segments",
        "GET /segments/{name}",
        "GET /segments/{name}/members",
        "GET /segments/{name}/moves",
        "GET /experience",
        "GET /experience/service",
        "GET /experience/tickets",
        "GET /experience/answers",
        "GET /revenue",
        "GET /revenue/cohorts",
        "GET /revenue/rfm",
        "GET /revenue/products",
    ),
    "marketer": (
        "GET /campaigns/{name}/next",
        "POST /campaigns/{name}/approve",
        "POST /campaigns/{name}/reject",
        "POST /campaigns/{name}/release",
        "POST /campaigns/{name}/send-again",
        "POST /campaigns/{name}/pause",
        "POST /campaigns/{name}/resume",
        "GET /campaigns/{name}/preview",
        "GET /campaigns/{name}/preview/mail",
        "GET /campaigns/{name}/preview/frame",
        "POST /campaigns/{name}/preview",
        "POST /campaigns/{name}/test-send",
        "GET /customers/{handle}/evidence",
        "GET /customers/{handle}/next",
        "POST /segments/{name}/members",
        "GET /segments/{name}/download.{form}",
        "GET /builder",
        "GET /builder/new",
        "GET /builder/segments/{name}",
        "POST /builder/form",
        "POST /builder/estimate",
        "POST /builder/exact",
        "POST /builder/sql",
        "POST /builder/save",
        "POST /builder/segments/{name}/retire",
    ),
    "operator": (
        "GET /settings",
        "GET /settings/audit",
    ),
}
LEAST = {route: role for role, routes in STATED.items() for route in routes}
IN_ORDER = ("viewer", "marketer", "operator")
NAMED = {"viewer": "vera", "marketer": "mia", "operator": "olga"}


def with_values(path: str) -> str:
    return "/rapport" + re.sub(r"{[a-z_:]+}", "1", path.replace("{form}", "csv"))


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each route of the pages, and the least role that its own code asks for."""
    # Airflow reads its settings once, when it is first imported.
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    from rapport.web import access
    from rapport.web.app import PAGES

    def called(dependant: Any) -> set[Any]:
        return {dependant.call}.union(*map(called, dependant.dependencies))

    found = {}
    for route in [route for module in PAGES for route in module.router.routes]:
        asked = called(route.dependant)
        role = next(
            role
            for role, guard in zip(
                reversed(IN_ORDER), (access.operator, access.marketer, access.visitor), strict=True
            )
            if guard in asked
        )
        found |= {f"{method} {route.path or '/'}": role for method in route.methods}
    return found


def test_each_route_asks_for_the_role_that_is_stated(routes: dict[str, str]) -> None:
    assert routes == LEAST


@pytest.mark.parametrize("route", LEAST)
def test_a_route_lets_in_who_may_and_nobody_else(pages: Pages, tokens: dict[str, str], route: str) -> None:
    method, _, path = route.partition(" ")
    address = with_values(path)
    assert pages.send(method, address).status == 401, "a program without a log-in"
    sent = pages.send(method, address, Accept="text/html")
    assert (sent.status, unquote(sent.headers["location"])) == (303, f"/auth/login?next={address}")
    for role, who in NAMED.items():
        answer = pages.send(method, address, who, X_Form_Token=tokens[who])
        if IN_ORDER.index(role) < IN_ORDER.index(LEAST[route]):
            assert answer.status == 403, f"{role}: {answer.text[-500:]}"
        else:
            assert answer.status not in (401, 403, 500), f"{role}: {answer.text[-500:]}"


@pytest.mark.parametrize("route", [route for route in LEAST if not route.startswith("GET ")])
def test_a_write_needs_a_token_of_ones_own(pages: Pages, tokens: dict[str, str], route: str) -> None:
    method, _, path = route.partition(" ")
    address = with_values(path)
    for headers in ({}, {"X_Form_Token": tokens["mia"]}, {"X_Form_Token": tokens["olga"] + "x"}):
        assert "load the page again" in pages.send(method, address, "olga", **headers).text
    stolen = {"X_Form_Token": tokens["olga"], "Sec_Fetch_Site": "cross-site"}
    assert "another site" in pages.send(method, address, "olga", **stolen).text


@pytest.fixture(scope="module")
def tokens(pages: Pages) -> dict[str, str]:
    """What each person's forms carry."""
    found = {}
    for who in PEOPLE:
        token = re.search(r'"X-Form-Token": "([^"]+)"', pages.get("/rapport/", who).text)
        assert token is not None
        found[who] = token[1]
    return found


@pytest.mark.parametrize("who", PEOPLE)
def test_everybody_who_is_logged_in_sees_today(pages: Pages, who: str) -> None:
    page = pages.get("/rapport/", who)
    assert page.status == 200
    role = {"viewer": "viewer", "user": "marketer", "op": "operator", "admin": "operator"}[PEOPLE[who]]
    assert f'{who} <span class="quiet">{role}</span>' in page.text


def test_a_browser_runs_nothing_that_a_page_holds(pages: Pages) -> None:
    policy = pages.get("/rapport/", "vera").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy


def test_style_and_script_come_from_the_server_itself(pages: Pages) -> None:
    html = pages.get("/rapport/", "vera").text
    assert "https://" not in html
    for file in ("pages.css", "pages.js", "htmx-2.min.js"):
        assert f'"/rapport/static/{file}"' in html
        assert pages.get(f"/rapport/static/{file}").status == 200


def test_before_the_first_run_the_page_says_what_to_do(pages: Pages) -> None:
    assert "There was no run yet" in pages.get("/rapport/", "vera").text


@pytest.mark.parametrize("route", [*FIGURES, *LISTS])
def test_figures_say_what_to_do_before_the_first_run(pages: Pages, route: str) -> None:
    assert pages.get(f"/rapport{route}").status == 401
    page = pages.get(f"/rapport{route}", "vera")
    assert page.status == 200
    assert "<code>rapport run</code>" in page.text


@pytest.mark.parametrize(
    "address", ["measure=x", "measure=opened&after=1", "measure=opened&after=x&after=y&after=a&after=b"]
)
def test_a_list_that_does_not_exist_is_refused_in_words(pages: Pages, address: str) -> None:
    assert pages.get(f"/rapport/experience/tickets?since=2026-06-01&{address}", "vera").status == 422


def test_a_run_that_never_was_is_not_found(pages: Pages) -> None:
    assert pages.get("/rapport/runs/4711", "vera").status == 404


def test_a_run_is_told_in_words_with_what_failed(pages: Pages) -> None:
    with psycopg.connect(pages.url) as connection:
        connection.execute(
            """
            insert into ops.runs (as_of, config_hash, state, started_at, ended_at)
            values ('2026-07-01 06:00+00', 'x', 'failed', '2026-07-01 06:00+00', '2026-07-01 06:01:15+00')
            """
        )
        connection.execute(
            """
            insert into ops.test_results (run_id, layer, test, model, status, failures, description)
            select max(run_id), 'marts', 'no_order_lost', 'orders', 'fail', 3, 'No order is <lost>.'
            from ops.runs
            """
        )
        connection.commit()
    try:
        page = pages.get("/rapport/", "vera").text
        assert "The run failed, 1 check failed: no_order_lost, 0 e-mails sent" in page
        assert "No order is &lt;lost&gt;." in page
        assert "took 1 min 15 s" in page
        run = re.search(r'href="/rapport(/runs/[0-9]+)"', page)
        assert run is not None
        assert "1 check failed: no_order_lost" in pages.get(f"/rapport{run[1]}", "vera").text
    finally:
        with psycopg.connect(pages.url) as connection:
            connection.execute("truncate ops.runs cascade")


def test_an_address_that_asks_for_nonsense_is_told_so_in_a_sentence(pages: Pages) -> None:
    answer = pages.get("/rapport/experience/tickets?since=<b>yesterday", "vera")
    assert answer.status == 422
    assert "since: Input should be a valid datetime" in answer.text
    assert "<b>" not in answer.text
