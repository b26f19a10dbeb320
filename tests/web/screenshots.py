"""`make screenshots`: docs/images from the pages that `make up` serves, and what is wrong with each.

Every page, by day and by night, on a desk and on a phone. Some of these pictures are kept, small enough for a
README. On a demo warehouse: the pictures show whoever is in it.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser

from rapport.airflow_environment import UI_USER, ui_password
from rapport.settings import PROJECT, Settings
from web import browsing
from web.browsing import DESKTOP, PHONE
from web.served_pages import Pages

IMAGES = PROJECT / "docs" / "images"
LARGEST = 200_000  # bytes
HEIGHTS = {DESKTOP: 1000, PHONE: 780}
# Somebody asks who bought often, came back and had trouble.
DEFINITION = json.dumps(
    {
        "match": "all",
        "conditions": [
            {"did": "order", "times": "at_least", "count": 3, "within_days": 365},
            {"column": "country", "test": "one_of", "values": ["AT", "DE"]},
            {
                "match": "any",
                "conditions": [
                    {"did": "ticket", "times": "at_least", "count": 1, "within_days": 90},
                    {"column": "nps_group", "test": "equals", "value": "detractor"},
                ],
            },
        ],
    }
)
# Each page by the name of its pictures.
PAGES = {
    "today": "/",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/win_back",
    "preview": "/campaigns/win_back/preview",
    "segments": "/segments",
    "segment": "/segments/lapsed",
    "experience": "/experience",
    "service": "/experience/service",
    "revenue": "/revenue",
    "cohorts": "/revenue/cohorts",
    "rfm": "/revenue/rfm",
    "products": "/revenue/products",
    "builder": f"/builder/new?{urlencode({'definition': DEFINITION})}",
    "customers": "/customers",
    "customer": "/segments/unhappy/members",
    "settings": "/settings",
}
# What is clicked on a page to get to the one that is shown.
THEN = {"customer": "main a[href*='/customers/c_']"}
KEPT = {
    ("today", DESKTOP, False),
    ("today", PHONE, True),
    ("campaign", DESKTOP, False),
    ("preview", DESKTOP, False),
    ("segment", DESKTOP, True),
    ("experience", DESKTOP, False),
    ("rfm", DESKTOP, False),
    ("builder", DESKTOP, False),
    ("customer", DESKTOP, False),
}


def look(browser: Browser, pages: Pages, who: str, folder: Path, only: set[str]) -> int:
    """Look at every page in every way; returns how many faults there were."""
    faults = 0
    for width in (DESKTOP, PHONE):
        for dark in (False, True):
            with browsing.window(browser, pages, who, width=width, dark=dark) as shown:
                shown.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
                for name, path in PAGES.items():
                    if only and name not in only:
                        continue
                    page = shown.open(path)
                    if name in THEN:
                        page.locator(THEN[name]).first.click()
                        page.wait_for_load_state("networkidle")
                    for fault in shown.faults():
                        faults += 1
                        print(f"{name} {width} {'dark' if dark else 'light'}: {fault}", flush=True)
                    look_name = f"{name}{'-phone' if width == PHONE else ''}{'-dark' if dark else ''}.png"
                    shown.page.screenshot(path=folder / look_name, full_page=True)
                    if (name, width, dark) in KEPT:
                        shown.page.screenshot(path=IMAGES / look_name)
                        size = (IMAGES / look_name).stat().st_size
                        if size > LARGEST:
                            faults += 1
                            print(f"{IMAGES / look_name} has {size:,} bytes; {LARGEST:,} at most")
    return faults


def main() -> None:
    """Take the pictures; exit code 1 where a page has a fault."""
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default=f"http://127.0.0.1:{settings.port}")
    parser.add_argument("--user", default=UI_USER)
    parser.add_argument("--password", help="default: the one that `make up` prints")
    parser.add_argument("--folder", type=Path, default=settings.home / "screenshots", help="for all of them")
    parser.add_argument("pages", nargs="*", help=f"some of {', '.join(PAGES)}")
    chosen = parser.parse_args()
    pages = Pages(chosen.address, "", settings, chosen.password or ui_password(settings))
    chosen.folder.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for browser in browsing.launched():
        faults = look(browser, pages, chosen.user, chosen.folder, set(chosen.pages))
    print(f"Pictures are in {chosen.folder}, those of the README in {IMAGES}; {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
