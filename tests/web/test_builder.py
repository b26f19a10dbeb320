"""The segment builder as marketers use it, as viewers must not, and what its server never does."""

import hashlib
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from audiences import hand_made_shop
from audiences.hand_made_shop import DROP, HOSTILE
from rapport import ledger
from rapport.audiences.memberships import record_memberships
from rapport.settings import PROJECT
from web import browsing
from web.browsing import Window
from web.served_pages import Answer, Pages, _answer


@pytest.fixture(scope="module")
def shop(pages: Pages) -> Iterator[Pages]:
    """The pages on a small shop whose customer view a run has built."""
    hand_made_shop.make(pages.url)
    build(pages)
    before = project()
    yield pages
    assert project() == before  # nothing of all that wrote a file into the dbt project


def build(pages: Pages) -> dict[str, int]:
    run = hand_made_shop.run(pages.url)
    with ledger.step(pages.url, run.run_id, "build_customer_view", "record_memberships"):
        sizes = record_memberships(pages.url, run, [])
    ledger.close_run(pages.url, run.run_id)
    return sizes


def project() -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((PROJECT / "dbt_project").rglob("*"))
        if path.is_file()
    }


def post(pages: Pages, path: str, form: dict[str, Any], who: str = "mia") -> Answer:
    """Send the form as the page does, with the token that it gives out."""
    fields = dict(form)
    if who != "vera":
        given = re.search(r'name="form_token" value="([^"]+)"', pages.get("/rapport/builder/new", who).text)
        assert given is not None
        fields["form_token"] = given[1]
    data = urllib.parse.urlencode(fields, doseq=True).encode()
    request = urllib.request.Request(f"{pages.address}/rapport/builder{path}", data=data, method="POST")
    request.add_header("Cookie", f"_token={pages.token(who)}")
    return _answer(request)


def column(place: str, name: str, test: str, **fields: Any) -> dict[str, Any]:
    given = {"what": f"column:{name}", "test": test, **fields}
    return {f"c_{place}-{key}": value for key, value in given.items()}


def rows(pages: Pages, query: str) -> list[Any]:
    with psycopg.connect(pages.url) as connection:
        return connection.execute(query.encode()).fetchall()


def words_in(answer: Answer) -> str:
    return " ".join(re.sub("<[^>]*>", " ", answer.text).split())


def test_the_builder_is_for_marketers(shop: Pages) -> None:
    for path in ("", "/new", "/segments/any"):
        assert shop.get(f"/rapport/builder{path}").status == 401
        assert shop.get(f"/rapport/builder{path}", "vera").status == 403
    for path in ("/form", "/estimate", "/exact", "/sql", "/save", "/segments/any/retire"):
        assert post(shop, path, {}, "vera").status == 403
    assert shop.get("/rapport/builder/segments/any", "mia").status == 404
    assert "Segment builder" not in shop.get("/rapport/", "vera").text


@pytest.mark.parametrize("hostile", [HOSTILE, DROP, '"><script>alert(1)</script>'])
def test_hostile_values_are_values(shop: Pages, hostile: str) -> None:
    form = {"c-match": "any", **column("0", "country", "equals", value=hostile)}
    expected = sum(person[4] == hostile for person in hand_made_shop.PEOPLE.values())
    for path in ("/estimate", "/exact"):
        assert f"{expected} customer{'s' if expected != 1 else ''} exact" in words_in(post(shop, path, form))
    for path in ("/estimate", "/form", "/sql"):
        assert "<script>alert" not in post(shop, path, form).text
    assert len(rows(shop, "select from marts.customers")) == len(hand_made_shop.PEOPLE)


def test_saving_building_and_changing(shop: Pages) -> None:
    germans = {"c-match": "all", **column("0", "country", "one_of", values=["DE", DROP])}
    answer = post(shop, "/save", {**germans, "name": "germans", "comment": "for spring"})
    assert (answer.status, answer.headers["location"]) == (303, "/rapport/builder/segments/germans?saved=1")
    assert rows(shop, "select definition, created_by, comment from segments.definitions") == [
        (
            {"match": "all", "conditions": [{"column": "country", "test": "one_of", "values": ["DE", DROP]}]},
            "mia",
            "for spring",
        )
    ]
    counted = words_in(post(shop, "/exact", germans))
    assert build(shop) == {"germans": 3}
    assert "3 customers exact Of 6" in counted
    assert "3 members" in words_in(shop.get("/rapport/builder", "mia"))

    changed = {
        **germans,
        **{"c_1-what": "did:order", "c_1-times": "never", "c_1-period": "ever"},
        "opened": "germans",
        "based_on": "1",
    }
    assert post(shop, "/save", {**changed, "name": "germans"}).status == 303
    stale = post(shop, "/save", {**changed, "name": "germans", "comment": "mine"})
    assert stale.status == 422
    assert "mia saved version 2 of germans after you opened version 1" in words_in(stale)
    assert 'value="mine"' in stale.text  # nothing that was typed is lost
    page = words_in(shop.get("/rapport/builder/segments/germans", "mia"))
    assert "Version 1 by mia" in page
    assert "country is one of DE, " in page
    assert "no order" in page

    assert post(shop, "/segments/germans/retire", {}).status == 303
    assert post(shop, "/segments/germans/retire", {}).status == 404
    assert build(shop) == {}


def test_what_is_not_finished_stays_as_it_was_typed(shop: Pages) -> None:
    unfinished = {
        "c-match": "all",
        **column("0", "order_count", "at_least", value="<many>"),
        "c_1-match": "any",
        "c_1_0-what": "did:visit",
        "c_1_0-count": "3 or so",
        "name": "later",
        "comment": "a & b",
    }
    answer = post(shop, "/save", unfinished)
    assert answer.status == 422
    assert "the conditions are not finished" in words_in(answer)
    for kept in ("&lt;many&gt;", "3 or so", 'value="later"', "a &amp; b"):
        assert kept in answer.text
    assert "condition 2: count: write a whole number" in words_in(post(shop, "/estimate", unfinished))
    assert "no SQL of them yet" in words_in(post(shop, "/sql", unfinished))
    assert rows(shop, "select from segments.definitions where name = 'later'") == []


def test_a_column_that_is_gone_is_said_and_can_be_chosen_anew(shop: Pages) -> None:
    form = {"c-match": "all", **column("0", "shoe_size", "at_least", value="44")}
    assert "condition 1: shoe_size is gone from the customer view" in words_in(post(shop, "/estimate", form))
    assert "shoe_size (gone)" in post(shop, "/form", form).text


def test_names_of_files_are_taken(shop: Pages) -> None:
    form = {"c-match": "all", **column("0", "country", "known")}
    assert "models/segments/loyal.sql is a segment already" in words_in(
        post(shop, "/save", {**form, "name": "loyal"})
    )


def test_a_newer_question_ends_an_older_one_in_a_sentence(shop: Pages) -> None:
    waits = "select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name like %s"
    with psycopg.connect(shop.url) as other, ThreadPoolExecutor() as pool:
        other.execute("lock table marts.orders in access exclusive mode")
        older = pool.submit(post, shop, "/exact", {"c-match": "all", "c_0-what": "did:order"})
        while other.execute(waits, ["rapport alone %"]).fetchone() is None:
            assert not older.done(), older.result().text
            other.execute("select pg_sleep(0.02), pg_stat_clear_snapshot()")
        newer = post(shop, "/exact", {"c-match": "all", **column("0", "country", "known")})
        assert "5 customers exact" in words_in(newer)
        assert "you asked something newer meanwhile" in words_in(older.result())


def test_deep_and_long_forms_are_refused_in_a_sentence(shop: Pages) -> None:
    deep = {f"c{'_0' * level}-match": "all" for level in range(400)}
    answer = post(shop, "/estimate", deep)
    assert answer.status == 200
    assert "Not counted yet" in words_in(answer)
    address = urllib.parse.quote(json.dumps({"match": "all", "conditions": [[["x"]], {"match": []}]}))
    assert shop.get(f"/rapport/builder/new?definition={address}", "mia").status == 200
    assert shop.get(f"/rapport/builder/new?definition={'[' * 9000}", "mia").status == 200


def faults(window: Window) -> list[str]:
    """Those of the page, but for htmx's notes of questions that a newer one has ended; these are meant."""
    window.complaints[:] = [said for said in window.complaints if not said.startswith("htmx:")]
    return window.faults()


@pytest.mark.parametrize("pause", [0, 120])
def test_a_choice_is_found_by_typing_it_while_the_form_is_drawn_anew(
    shop: Pages, browser: Browser, pause: int
) -> None:
    """`pause` is the milliseconds between two letters."""
    with browsing.window(browser, shop, "mia") as window:
        page = window.open("/builder/new")
        page.get_by_label("What to ask about").focus()
        page.keyboard.type("ordered", delay=pause)
        expect(page.locator("#result")).to_contain_text("at least 1 order")
        expect(page.get_by_label("What to ask about")).to_be_focused()
        expect(page.get_by_label("What to ask about")).to_have_value("did:order")
        page.get_by_label("How often").focus()
        page.keyboard.type("never", delay=pause)
        expect(page.locator("#result")).to_contain_text("no order")
        expect(page.get_by_label("How often")).to_have_value("never")
        assert faults(window) == []


def test_what_is_typed_while_the_form_is_drawn_anew_stays(shop: Pages, browser: Browser) -> None:
    with browsing.window(browser, shop, "mia") as window:
        page = window.open("/builder/new")
        page.get_by_label("What to ask about").select_option("did:order")
        expect(page.locator("#result")).to_contain_text("at least 1 order")
        held: list[Route] = []
        page.route("**/builder/form", lambda route: held.append(route))
        with page.expect_request("**/builder/form"):
            page.get_by_label("In which time").select_option("within_days")
        count = page.get_by_label("Number of times")
        count.press("End")
        page.keyboard.type("4")
        held[0].continue_()
        expect(page.get_by_label("Number of days")).to_be_visible()
        expect(count).to_be_focused()
        page.keyboard.type("2")
        expect(page.locator("#result")).to_contain_text("at least 142 orders")
        assert faults(window) == []


@pytest.mark.parametrize("width", [browsing.DESKTOP, browsing.PHONE])
def test_from_a_condition_to_a_segment_by_keyboard(shop: Pages, browser: Browser, width: int) -> None:
    name = f"made_at_{width}"
    with browsing.window(browser, shop, "mia", width=width, dark=width == browsing.PHONE) as window:
        page: Page = window.open("/builder/new")
        expect(page.locator("#result")).to_contain_text("choose what to ask about")
        page.get_by_label("What to ask about").focus()
        page.keyboard.type("ordered")
        page.keyboard.press("Tab")
        expect(page.locator("#result")).to_contain_text("5 customers")
        page.get_by_label("Number of times").fill("5")
        expect(page.locator("#result")).to_contain_text("4 customers")
        page.get_by_role("button", name="Add a condition").press("Enter")
        chosen = page.get_by_label("What to ask about").nth(1)
        expect(chosen).to_be_focused()
        chosen.select_option("column:country")
        expect(page.get_by_label("AT", exact=True)).to_be_visible()
        page.get_by_label("AT", exact=True).check()
        expect(page.locator("#result")).to_contain_text("1 customer exact")
        assert "definition=" in page.url
        assert faults(window) == []
        page.reload()
        expect(page.locator("#result")).to_contain_text("1 customer exact")
        page.get_by_role("button", name="Show as SQL").click()
        expect(page.locator("#sql pre")).to_contain_text("{{ ref('orders') }}")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Name").press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Version 1 is saved")
        page.wait_for_load_state("networkidle")
        assert window.faults() == []
        window.open("/builder")
        assert window.faults() == []
    assert rows(shop, f"select count(*) from segments.definitions where name = '{name}'") == [(1,)]
