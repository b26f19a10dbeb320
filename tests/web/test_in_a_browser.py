"""The pages as people see them, in Chromium: from Airflow's log-in to what they came for."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from rapport import ledger
from rapport.ledger import TaskTry
from rapport.ledger import TestResult as Result
from web.browsing import PHONE, window
from web.served_pages import Pages

AS_OF = datetime(2026, 7, 1, 5, tzinfo=UTC)
TASK = TaskTry("scheduled__2026-07-01T05:00:00+00:00", "build_marts", -1, 1)


@pytest.fixture(scope="module")
def last_night(pages: Pages) -> Pages:
    """A warehouse whose last run failed one check."""
    run_id = ledger.open_run(pages.url, as_of=AS_OF, config="x").run_id
    with ledger.step(pages.url, run_id, "ingest_orders", "orders") as record:
        record.rows_read, record.rows_loaded, record.rows_duplicate, record.rows_rejected = 1234, 1200, 30, 4
    ledger.record_tests(
        pages.url,
        run_id,
        "marts",
        [Result("no_order_is_lost", None, "fail", 3, "Every order is in marts.orders.", None, "finance")],
    )
    with (
        pytest.raises(ValueError, match="3 results"),
        ledger.step(pages.url, run_id, "build_customer_view", "build_marts", TASK),
    ):
        raise ValueError("no_order_is_lost: got 3 results")
    ledger.close_run(pages.url, run_id)
    return pages


def test_a_stakeholder_logs_in_sees_which_check_failed_and_whose_it_is_and_goes_on_to_the_money(
    last_night: Pages, browser: Browser
) -> None:
    with window(browser, last_night) as mine:
        page = mine.log_in("vera", "/")
        expect(page.locator("h1")).to_contain_text("The run failed at build marts")
        page.get_by_role("link", name="1 check failed").click()
        check = page.get_by_role("row", name=re.compile("Every order is in marts.orders"))
        expect(check).to_contain_text("finance")
        assert page.get_by_role("link", name="Log of").count() == 0, "Airflow's logs are for engineers"
        assert "got 3 results" not in page.content(), "what an error says may quote a record"
        page.get_by_role("link", name="Revenue", exact=True).click()
        page.wait_for_url("**/rapport/revenue")
        assert mine.complaints == []


def test_an_engineer_gets_from_the_failed_step_to_its_log_and_sees_who_looked_at_whom(
    last_night: Pages, browser: Browser
) -> None:
    with window(browser, last_night) as mine:
        page = mine.log_in("olga", "/")
        expect(page.get_by_text("no_order_is_lost: got 3 results").first).to_be_visible()
        log = page.get_by_role("link", name="Log of build marts in Airflow").first
        assert log.get_attribute("href") == (
            "/dags/build_customer_view/runs/scheduled__2026-07-01T05%3A00%3A00%2B00%3A00"
            "/tasks/build_marts?try_number=1"
        )
        assert log.get_attribute("target") == "_top", "out of the frame that Airflow shows the pages in"
        page.get_by_role("link", name="Settings", exact=True).click()
        expect(page.get_by_role("heading", name="How mails leave")).to_be_visible()
        assert mine.complaints == []


def test_no_page_that_has_nothing_to_show_yet_has_a_serious_fault(
    last_night: Pages, browser: Browser
) -> None:
    """Those that have something are looked at in tests/dbt/test_shop_in_a_browser.py, in four ways."""
    with window(browser, last_night, "olga", width=PHONE, dark=True) as mine:
        page = mine.open("/")
        found = mine.faults()
        links = page.get_by_role("navigation", name="Pages").get_by_role("link").all()
        addresses = [str(link.get_attribute("href")) for link in links]
        for address in [*addresses[1:], "/rapport/settings/audit"]:
            mine.open(address.removeprefix("/rapport"))
            found += mine.faults()
    assert len(addresses) >= 6
    assert found == []


def test_a_page_with_faults_is_found_out(last_night: Pages, browser: Browser) -> None:
    """Guards the test above."""
    with window(browser, last_night, "vera", width=PHONE) as mine:
        page = mine.open("/")
        page.evaluate(
            """() => {
                const picture = document.createElement('img');
                picture.src = 'data:,';
                picture.style.cssText = 'display: block; width: 900px';
                document.body.append(picture);
                console.error('a fault of a script');
            }"""
        )
        found = "\n".join(mine.faults())
    assert "image-alt (critical)" in found
    assert "in a window of 360" in found
    assert "a fault of a script" in found
