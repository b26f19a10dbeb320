"""How long each page takes on a million customers and twenty million messages, in Airflow's own API server.

`python benchmarks/pages.py [--small] [--in FOLDER]`; making the warehouse takes most of the time and about
25 GB; in a folder that is named it stays for the next time.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / folder) for folder in ("plugins", "benchmarks", "tests")]

from parts import large_shop  # noqa: E402

from rapport.embedded_postgres import EmbeddedPostgres  # noqa: E402
from web import served_pages  # noqa: E402

TARGET_MS = 300.0
REQUESTS = 60
GENERATED_CUSTOMERS = 3000
DAYS = ("2026-06-24T06:00:00Z", "2026-07-01T06:00:00Z")


@dataclass(frozen=True)
class Size:
    customers: int
    messages: int
    busy_share: float


@dataclass(frozen=True)
class Asked:
    """A page, or what a form sends to it."""

    path: str
    form: dict[str, str] | None = None


@dataclass(frozen=True)
class Session:
    """The pages as somebody who is logged in asks for them."""

    served: served_pages.Pages
    cookie: str
    form_token: str

    def ask(self, asked: Asked) -> served_pages.Answer:
        path = f"/rapport{asked.path}"
        if asked.form is None:
            return self.served.get(path, Cookie=self.cookie)
        return self.served.post(path, asked.form, token=self.form_token, Cookie=self.cookie)


FULL = Size(customers=1_000_000, messages=20_000_000, busy_share=0.2)
SMALL = Size(customers=9_000, messages=60_000, busy_share=1.0)


def main() -> int:
    """Print each page's 95th percentile, one line of JSON a page; 1 where one is over the target."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--small", action="store_true", help="small numbers: does it run at all")
    arguments.add_argument(
        "--in", dest="folder", type=Path, help="keep the warehouse here, for the next time"
    )
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as temporary:
        results = list(measures(chosen.folder or Path(temporary), SMALL if chosen.small else FULL))
    for result in results:
        print(json.dumps(result))
    return 0 if all(result["ok"] for result in results) else 1


def measures(folder: Path, size: Size) -> Iterator[dict[str, object]]:
    """Each page's 95th percentile in milliseconds, as a marketer sees it over HTTP, one request at a time."""
    server = EmbeddedPostgres(folder / "postgres", None).start()
    try:
        url = server.url("rapport")
        if not (folder / "made").exists():
            _make(folder, url, size)
            (folder / "made").touch()
        api_server = folder / f"api-server-{os.getpid()}"
        api_server.mkdir()
        for served in served_pages.starting(server, url, api_server):
            session = Session(served, f"_token={served.token('mia')}", served.form_token("mia"))
            for page, asked in _asked(url).items():
                yield _measure(session, page, asked)
    finally:
        server.stop()


def _measure(session: Session, page: str, asked: list[Asked]) -> dict[str, object]:
    times = []
    for one in [*asked[:3], *itertools.islice(itertools.cycle(asked), REQUESTS)]:
        began = time.perf_counter()
        answer = session.ask(one)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, f"{one}: {answer.status} {answer.text[:500]}"
    p95 = statistics.quantiles(times[3:], n=20)[-1]
    print(f"{page:<28} median {statistics.median(times[3:]):6.0f} ms, 95 % within {p95:6.0f} ms", flush=True)
    return {
        "measure": f"pages.p95_ms.{page}",
        "value": round(p95),
        "unit": "ms",
        "target": f"<= {TARGET_MS:.0f}",
        "ok": p95 <= TARGET_MS,
    }


def _make(folder: Path, url: str, size: Size) -> None:
    """A generated shop through the whole pipeline, its mails delivered and some clicked; then enlarged."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAPPORT_")} | {
        "RAPPORT_HOME": str(folder / "home"),
        "RAPPORT_WAREHOUSE_URL": url,
        "PYTHONPATH": str(PROJECT / "plugins"),
    }

    def rapport(*words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "rapport", *words],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    rapport("demo-data", "--customers", str(GENERATED_CUSTOMERS))
    for day in DAYS:
        rapport("run", "--as-of", day)
        large_shop.deliver_mails(url)
    rapport("run", "--as-of", DAYS[-1])
    began = time.monotonic()
    large_shop.enlarge(url, size.customers, size.messages, size.busy_share)
    print(f"enlarged in {time.monotonic() - began:.0f} s", flush=True)


def _asked(url: str) -> dict[str, list[Asked]]:
    """What is asked for, by page; each time of other people."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """
            select customer_id, email, phone, last_name from marts.customers tablesample system (1)
            where email is not null and last_name is not null order by md5(customer_id) limit 20
            """
        ).fetchall()
        editions = connection.execute(
            "select campaign, edition_id from activation.editions order by md5(edition_id) limit 20"
        ).fetchall()
    ids, emails, phones, names = ([row[column] for row in rows] for column in range(4))
    segments = ("active", "lapsed", "loyal", "champions")
    last = {"since": "2026-06-29T00:00:00Z", "until": "2026-06-30T00:00:00Z"}
    return {
        "today": [Asked("/")],
        "campaigns": [Asked("/campaigns")],
        "campaigns.campaign": [Asked(f"/campaigns/{quote(campaign)}") for campaign, _ in editions],
        "campaigns.edition": [
            Asked(f"/campaigns/{quote(campaign)}/editions/{quote(edition.removeprefix(campaign + '/'))}")
            for campaign, edition in editions
        ],
        "customers.search_email": [Asked("/customers", {"q": email}) for email in emails],
        "customers.search_phone": [Asked("/customers", {"q": phone}) for phone in phones if phone],
        "customers.search_name": [Asked("/customers", {"q": name}) for name in names],
        "customers.customer": [Asked(f"/customers/{quote(one)}") for one in ids],
        "customers.evidence": [Asked(f"/customers/{quote(one)}/evidence") for one in ids],
        "customers.next": [Asked(f"/customers/{quote(one)}/next") for one in ids],
        "segments": [Asked("/segments")],
        "segments.segment": [Asked(f"/segments/{one}") for one in segments],
        "segments.members": [Asked(f"/segments/{one}/members") for one in segments],
        "segments.found": [
            Asked(f"/segments/{one}/members", {"q": name}) for one in segments for name in names[:5]
        ],
        "experience": [Asked("/experience")],
        "experience.segment": [Asked(f"/experience?segment={one}") for one in segments],
        "experience.service": [Asked("/experience/service")],
        "experience.tickets": [Asked(f"/experience/tickets?{urlencode(last)}")],
        "revenue": [Asked("/revenue")],
        "revenue.cohorts": [Asked("/revenue/cohorts")],
        "revenue.rfm": [Asked("/revenue/rfm")],
        "revenue.products": [Asked("/revenue/products")],
        "builder.estimate": [
            Asked("/builder/estimate", {"c-match": "all", **_column(0, country), **_did(1, "order", days)})
            for country in ("DE", "GB", "FR")
            for days in (30, 90, 365)
        ],
    }


def _column(place: int, country: str) -> dict[str, str]:
    return {
        f"c.{place}-what": "column:country",
        f"c.{place}-test": "one_of",
        f"c.{place}-values": country,
    }


def _did(place: int, behaviour: str, days: int) -> dict[str, str]:
    return {
        f"c.{place}-what": f"did:{behaviour}",
        f"c.{place}-times": "at_least",
        f"c.{place}-count": "1",
        f"c.{place}-period": "within_days",
        f"c.{place}-within_days": str(days),
    }


if __name__ == "__main__":
    sys.exit(main())
