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
from urllib.parse import quote

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
class Search:
    """A text that is looked for; it is sent in a form, because addresses end up in logs."""

    text: str


Asked = str | Search


@dataclass(frozen=True)
class Size:
    customers: int
    messages: int
    busy_share: float


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
            cookie, token = f"_token={served.token('mia')}", served.form_token("mia")
            for page, asked in _asked(url).items():
                yield _measure(served, page, asked, cookie, token)
    finally:
        server.stop()


def _measure(
    served: served_pages.Pages, page: str, asked: list[Asked], cookie: str, token: str
) -> dict[str, object]:
    times = []
    for one in [*asked[:3], *itertools.islice(itertools.cycle(asked), REQUESTS)]:
        began = time.perf_counter()
        if isinstance(one, Search):
            answer = served.post("/rapport/customers", {"q": one.text}, token=token, Cookie=cookie)
        else:
            answer = served.get(f"/rapport{one}", Cookie=cookie)
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
    ids, emails, phones, names = ([row[column] for row in rows] for column in range(4))
    return {
        "today": ["/"],
        "customers.search": [Search(word) for word in (*emails, *phones, *names) if word],
        "customers.one": [f"/customers/{quote(customer_id)}" for customer_id in ids],
    }


if __name__ == "__main__":
    sys.exit(main())
