"""The pages as people see them: in Chromium, by day and by night, on a desk and on a phone."""

import pytest
from playwright.sync_api import Browser

from web.browsing import DESKTOP, PHONE, window
from web.served_pages import Pages

LOOKS = [
    pytest.param(width, dark, id=f"{'phone' if width == PHONE else 'desktop'} {'dark' if dark else 'light'}")
    for width in (DESKTOP, PHONE)
    for dark in (False, True)
]


def test_who_follows_a_link_logs_in_and_gets_there(pages: Pages, browser: Browser) -> None:
    with window(browser, pages) as mine:
        page = mine.log_in("vera", "/")
        assert page.get_by_text("There was no run yet").is_visible()


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_page_has_no_serious_fault(pages: Pages, browser: Browser, width: int, dark: bool) -> None:
    with window(browser, pages, "vera", width=width, dark=dark) as mine:
        mine.open("/")
        assert mine.faults() == []
