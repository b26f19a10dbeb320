"""The pages of a shop that has customers, tickets, segments and campaigns, in Chromium."""

import re
import shutil
from collections.abc import Iterator
from typing import Literal

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect
from views_of_segments import SEGMENTS, add_segments

from chosen_postgres import a_warehouse
from rapport import ledger, roles, warehouse
from rapport.audiences.memberships import record_memberships
from rapport.campaigns.planning import plan_campaigns
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings
from web import browsing
from web.browsing import DESKTOP, PHONE, window
from web.served_pages import Pages, starting

LETTER = """
description: The letter to those whom we have not seen for long.
trigger: {schedule: "0 9 * * *"}
audience: {include: [at_risk, lapsed, new_customers]}
topic: offers
subject: "{{ customer.first_name or 'You' }}, there is something new"
preheader: Have a look at what is new in the shop.
template: win_back.mjml
re_entry: 1d
approval: true
approval_within: 1000d
holdout: 0.3
goal: {event: order, within: 14d}
variants: {a: {}, b: {subject: Something new}}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from browsing.launched()


@pytest.fixture(scope="module")
def pages(
    mailed_shop: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pages]:
    """A copy of the shop with members of segments, and a letter that awaits approval."""
    home = tmp_path_factory.mktemp("shop_in_a_browser")
    shutil.copytree(PROJECT / "config", home / "config")
    (home / "config" / "campaigns" / "letter.yml").write_text(LETTER)
    (home / "config" / "sources" / "web_events.yml").unlink()  # two days late, which would hold the letter
    with a_warehouse(postgres, mailed_shop.rpartition("/")[2]) as url:
        with warehouse.connect(url) as connection:
            assert roles.ensure(connection)
            run = ledger.newest_run(connection)
            assert run is not None
            add_segments(connection, run.run_id)
        record_memberships(url, run, list(SEGMENTS))
        plan_campaigns(url, run, Settings(home, home / "config", url, None, None))
        yield from starting(postgres, url, home)


def row(pages: Pages, query: str) -> tuple[str, ...]:
    with psycopg.connect(pages.url) as connection:
        found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return tuple(map(str, found))


def test_a_marketer_goes_from_log_in_through_a_campaign_to_a_file_and_out(
    pages: Pages, browser: Browser
) -> None:
    with window(browser, pages) as mine:
        page = mine.log_in("mia", "/segments/lapsed")
        expect(page.get_by_role("heading", name="Lapsed")).to_be_visible()
        builds_a_segment(page)
        looks_at_the_letter(page)
        decides_on_it(page)
        with page.expect_download() as download:
            mine.open("/segments/lapsed").get_by_role("link", name="Download CSV").click()
        lines = download.value.path().read_text("utf-8-sig").splitlines()
        (members,) = row(pages, "select count(*) from segments.members where segment = 'lapsed'")
        assert len(lines) == int(members) + 1 > 1
        assert mine.complaints == []
        page.get_by_role("link", name="Log out").click()
        page.wait_for_url("**/auth/login**")
        page.goto(f"{pages.address}/rapport/segments/lapsed")
        expect(page.locator("input[name=username]")).to_be_visible()


def builds_a_segment(page: Page) -> None:
    page.get_by_role("link", name="Revenue", exact=True).click()
    page.get_by_role("link", name="Recency and frequency").click()
    cell = page.get_by_role("link", name=re.compile(r"^Recency \d, frequency \d: [1-9]")).first
    customers = re.findall(r": (\d+) customers", str(cell.get_attribute("aria-label")))[0]
    cell.click()
    page.get_by_role("link", name="Make a segment of these customers").click()
    expect(page.get_by_label("What to ask about").first).to_have_value("column:recency_score")
    expect(page.locator("#result b")).to_have_text(customers)
    page.get_by_label("Name").fill("buyers")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is saved")


def looks_at_the_letter(page: Page) -> None:
    page.get_by_role("link", name="Campaigns", exact=True).click()
    page.get_by_role("link", name="Look and decide").click()
    expect(page.get_by_role("rowheader", name="Candidates")).to_be_visible()
    expect(page.get_by_text("were not in the last edition")).to_be_visible()
    expect(page.get_by_text("told from chance")).to_be_visible()
    page.get_by_role("link", name="See the mail first").click()
    expect(page.get_by_text("As the edition was planned")).to_be_visible()
    for screen in ("desktop", "phone"):
        frame = page.frame_locator(f"iframe[title='The mail on a {screen}']")
        expect(frame.get_by_role("link", name=re.compile("Unsubscribe", re.IGNORECASE))).to_be_visible()
    page.go_back()


def decides_on_it(page: Page) -> None:
    page.get_by_label("Comment, kept with the decision").fill("go, but not at night")
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.get_by_text("go, but not at night")).to_be_visible()
    page.get_by_role("link", name="letter", exact=True).click()
    page.get_by_text("Pause", exact=True).click()
    page.get_by_label("Why?").fill("the price is wrong")
    page.get_by_role("button", name="Pause it now").click()
    expect(page.get_by_text("by mia: the price is wrong")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("the price is wrong")).to_have_count(0)
    expect(page.get_by_role("heading", name="What it changed")).to_be_visible()
    expect(page.get_by_text("95 % interval").first).to_be_visible()


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(((DESKTOP, "light"), (PHONE, "dark")), id="desk by day, phone by night"),
        pytest.param(
            ((DESKTOP, "dark"), (PHONE, "light")), id="desk by night, phone by day", marks=pytest.mark.long
        ),
    ],
)
def test_no_page_of_a_shop_has_a_serious_fault(
    pages: Pages, browser: Browser, looks: tuple[tuple[int, Literal["light", "dark"]], ...]
) -> None:
    """Each width and each set of colours; how they go together takes long."""
    (edition,) = row(pages, "select edition_id from activation.editions where state <> 'done' limit 1")
    campaign, _, slot = edition.partition("/")
    (customer,) = row(
        pages,
        """
        select customer_id from marts.customer_timeline group by customer_id
        order by count(distinct kind) desc, count(*) desc limit 1
        """,
    )
    (first,) = row(pages, "select min(opened_at)::date from marts.tickets")
    addresses = (
        "/",
        "/campaigns",
        f"/campaigns/{campaign}",
        f"/campaigns/{campaign}/editions/{slot}",
        f"/campaigns/{campaign}/preview",
        f"/customers/{customer}",
        "/segments",
        "/segments/lapsed",
        "/segments/lapsed/members",
        "/experience",
        "/experience/service",
        f"/experience/tickets?since={first}&until=2100-01-01",
        "/revenue",
        "/revenue/cohorts",
        "/revenue/rfm?cell=5-1",
        '/builder/new?definition={"match":"all","conditions":[{"did":"order","times":"at_least","count":2}]}',
        "/settings",
    )
    found: list[str] = []
    with window(browser, pages, "olga") as mine:
        for address in addresses:
            page = mine.open(address)
            assert page.locator(".empty").count() == 0, f"{address} has nothing to show"
            for width, colours in looks:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=colours)
                found += [f"{width} {colours}: {fault}" for fault in mine.faults()]
    assert found == []
