"""The customer view: the real shop, ten times its history, identity, and how right proposed merges are.

`python benchmarks/customer_view.py [real_shop|history|identity|proposals]`; each part is a module in parts/.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / folder) for folder in ("plugins", "benchmarks/parts", "tests/real_shop")]

import identity_graph  # noqa: E402
import identity_proposals  # noqa: E402
import one_more_day  # noqa: E402
import real_shop_view  # noqa: E402

Measures = Callable[[], Iterator[dict[str, object]]]
PARTS: dict[str, Measures] = {
    "real_shop": real_shop_view.measures,
    "history": one_more_day.measures,
    "identity": identity_graph.measures,
    "proposals": identity_proposals.measures,
}


def main(names: list[str]) -> int:
    """Print what was measured, one JSON line a measure; 1 where a target is missed."""
    results = [result for name in names or PARTS for result in PARTS[name]()]
    for result in results:
        print(json.dumps(result))
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
