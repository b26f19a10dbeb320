"""Asking a running Airflow how it is.

`python -m rapport.airflow_health URL PART` ends with 1 unless PART is healthy: the containers' health check.
"""

import json
import sys
import urllib.request

PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def unhealthy_parts(url: str) -> list[str]:
    """The parts of the Airflow at `url` that do not report themselves healthy; api-server if it is silent."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/api/v2/monitor/health", timeout=10) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return ["api-server"]
    return [part for part in PARTS if (health.get(part) or {}).get("status") != "healthy"]


if __name__ == "__main__":
    raise SystemExit(bool({"api-server", sys.argv[2]} & set(unhealthy_parts(sys.argv[1]))))
