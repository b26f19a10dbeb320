"""Each route: who gets in, and what the browser is told."""

import re
from pathlib import Path

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
ROUTES = ("/", *FIGURES)


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_log_in_a_program_is_refused_and_a_person_is_sent_to_it(pages: Pages, route: str) -> None:
    assert pages.get(f"/rapport{route}").status == 401
    sent = pages.get(f"/rapport{route}", Accept="text/html")
    assert sent.status == 303
    assert sent.headers["location"] == f"/auth/login?next=/rapport{route}"


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
