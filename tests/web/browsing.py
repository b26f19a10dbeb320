"""A real browser on the pages: windows of somebody logged in, and what is wrong with a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from web.served_pages import Pages

DESKTOP, PHONE = 1280, 360
# Without these Chromium looks for a graphics card, a shared memory and servers that a test has not got.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_AXE = Axe()


class Window:
    """A browser window on the pages; what its pages complain about is kept in `complaints`."""

    def __init__(self, page: Page, pages: Pages) -> None:
        self.page = page
        self.pages = pages
        self.complaints: list[str] = []
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> Page:
        """Go to one of Rapport's pages ("/", "/campaigns?state=held") and wait until it is quiet."""
        self.page.goto(f"{self.pages.address}/rapport{path}", wait_until="networkidle")
        return self.page

    def log_in(self, who: str, path: str = "/") -> Page:
        """Through Airflow's own form, as a person who has followed a link to one of Rapport's pages."""
        self.page.goto(f"{self.pages.address}/rapport{path}")
        self.page.fill("input[name=username]", who)
        self.page.fill("input[name=password]", self.pages.password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"{self.pages.address}/rapport{path}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def faults(self) -> list[str]:
        """What is wrong with the page as it is now shown; an empty list for a good one.

        Serious or critical findings of axe-core, a page wider than its window, and complaints since the
        last look: an error of a script, a thing that the page's policy forbids.
        """
        found = [
            f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:160]}"
            for violation in _AXE.run(self.page).response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        if wide > window:
            found.append(f"the page is {wide} pixels wide in a window of {window}")
        complaints, self.complaints[:] = list(self.complaints), []
        return [f"{self.page.url}: {fault}" for fault in found + complaints]


@contextmanager
def window(
    browser: Browser, pages: Pages, who: str | None = None, *, width: int = DESKTOP, dark: bool = False
) -> Iterator[Window]:
    """A window of its own, with one of `PEOPLE` logged in already, or nobody."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(20_000)
    if who is not None:
        context.add_cookies([{"name": "_token", "value": pages.token(who), "url": pages.address}])
    try:
        yield Window(context.new_page(), pages)
    finally:
        context.close()


def launched() -> Iterator[Browser]:
    """The system's Chromium, which ends with the generator."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program is not None, f"none of {', '.join(PROGRAMS)} is installed; .ci/run installs Debian's"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(program), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
