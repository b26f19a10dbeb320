"""The real shop's view from nothing, and a night on which nothing new came.

The ticket log runs on for two months after the last order: the view is that of the day after the log's end,
because before it every night has news, rows that become visible.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from measured_run import POSTGRES_15, MeasuredRun, rapport, stop_server

from rapport import warehouse
from rapport.settings import Settings

AS_OF = "2012-03-01T00:00:00Z"
NEXT_NIGHT = "2012-03-02T00:00:00Z"
MAX_SECONDS = 75
MAX_PSS_MB = 1000
MAX_NOTHING_NEW_SECONDS = 20

VIEW_STEPS = """
select sum(extract(epoch from ended_at - started_at)) from ops.run_steps
where dag = 'build_customer_view' and run_id = (select max(run_id) from ops.runs)
"""


def measures() -> Iterator[dict[str, object]]:
    """From raw to segments by the run ledger, from nothing and the next night; the memory of the whole run.

    The next night's whole run, with Airflow's start, the look at every source, plans and mails, is reported.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        home = Path(folder) / "home"
        try:
            first = _run(home, AS_OF)
            yield _measure("customer.real_shop_seconds", _raw_to_segments(home), "s", MAX_SECONDS)
            if first.peak_pss_mb is not None:
                yield _measure("customer.real_shop_peak_mb", first.peak_pss_mb, "MB", MAX_PSS_MB)
            second = _run(home, NEXT_NIGHT)
            yield _measure(
                "customer.nothing_new_seconds", _raw_to_segments(home), "s", MAX_NOTHING_NEW_SECONDS
            )
            yield {
                "measure": "customer.nothing_new_whole_run_seconds",
                "value": round(second.seconds, 1),
                "unit": "s",
                "target": "reported",
                "ok": True,
            }
        finally:
            stop_server(home)


def _run(home: Path, as_of: str) -> MeasuredRun:
    run = rapport(home, "run", "--as-of", as_of)
    print(run.output)
    if run.exit_code != 0:
        raise SystemExit(f"the run failed with exit code {run.exit_code}")
    return run


def _raw_to_segments(home: Path) -> float:
    """Seconds of the newest run, from staging to the memberships of segments."""
    with warehouse.connect(_url(home)) as connection:
        row = connection.execute(VIEW_STEPS).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return float(row[0])


def _url(home: Path) -> str:
    programs = POSTGRES_15 if POSTGRES_15.is_dir() else None
    return warehouse.ensure(Settings(home, home, None, None, None, postgres_bin=programs))


def _measure(name: str, value: float, unit: str, limit: float) -> dict[str, object]:
    return {
        "measure": name,
        "value": round(value, 1),
        "unit": unit,
        "target": f"<= {limit}",
        "ok": value <= limit,
    }
