"""A bare process that loads one feed: memory.py URL CONFIG. Prints its idle and its peak memory in MB."""

import json
import sys
from pathlib import Path

MEMORY = Path("/proc/self/status")


def megabytes(field: str) -> float:
    """VmRSS or VmHWM of this process."""
    line = next(line for line in MEMORY.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def main(url: str, config: str) -> None:
    """Load the configuration's only feed."""
    from rapport.landing.load import load_feed
    from rapport.settings import Settings
    from rapport.sources.configuration import read_feeds

    folder = Path(config)
    feed = read_feeds(Settings(folder, folder, url, None, None))[0]
    idle = megabytes("VmRSS")
    counts = load_feed(url, feed)
    print(json.dumps({"idle": idle, "peak": megabytes("VmHWM"), "rows": counts.rows_loaded}))


if __name__ == "__main__":
    main(*sys.argv[1:])
