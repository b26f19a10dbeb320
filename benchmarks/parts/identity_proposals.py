"""How many proposed merges are right, and how many right ones are proposed, where the truth is known."""

import csv
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from rapport import warehouse
from rapport.identity import proposals
from rapport.identity.matching import RECORDS, likely_pairs
from rapport.settings import PROJECT

LABELLED = PROJECT.parent / "shared" / "data" / "identity" / "fake_1000.csv"
CUSTOMERS = os.environ.get("RAPPORT_BENCH_CUSTOMERS", "2000")
THRESHOLD = 0.9
COLUMNS = {
    "email": "emails",
    "phone": "phones",
    "customer_number": "customer_numbers",
    "contact": "contact_ids",
}


def measures() -> Iterator[dict[str, object]]:
    """Precision and recall over pairs, on the labelled records and on a generated shop."""
    if LABELLED.exists():
        yield from _scores("labelled", *_labelled(), least_precision=0.995)
    yield from _scores("generated", *_generated(), least_precision=0.95)


def _labelled() -> tuple[int, int, int]:
    text = pa.large_string()
    columns = ("unique_id", "first_name", "surname", "dob", "city")
    types = dict.fromkeys((*columns, "cluster"), text)
    rows = arrow_csv.read_csv(
        LABELLED, convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True, column_types=types)
    )
    names = ["record_id", "first_name", "last_name", "birth_date", "city"]
    records = rows.select(columns).rename_columns(names)
    records = records.append_column("postal_code", pa.nulls(len(records), text)).select(RECORDS.names)
    truth = dict(zip(rows["unique_id"].to_pylist(), rows["cluster"].to_pylist(), strict=True))
    found = likely_pairs(records, threshold=THRESHOLD).to_pylist()
    right = sum(truth[row["record_id_a"]] == truth[row["record_id_b"]] for row in found)
    return right, len(found), _pairs(truth.values())


def _generated() -> tuple[int, int, int]:
    """A shop is generated and run; a customer is the person whose first identifier it is named after."""
    with tempfile.TemporaryDirectory(prefix="rapport-benchmark-") as folder:
        environment = {**os.environ, "RAPPORT_HOME": folder, "PYTHONPATH": str(PROJECT / "plugins")}

        def rapport(*arguments: str) -> str:
            command = [sys.executable, "-m", "rapport", *arguments]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        try:
            rapport("demo", "--customers", CUSTOMERS)
            with warehouse.connect(rapport("warehouse", "url")) as connection:
                proposals.propose(connection, threshold=THRESHOLD)
                named = connection.execute(
                    """
                    select distinct customers.customer_id, customers.kind, customers.value
                    from identity.customers inner join identity.identifiers using (customer_id)
                    """
                ).fetchall()
                pairs = connection.execute(
                    "select customer_id_a, customer_id_b from identity.proposals"
                ).fetchall()
        finally:
            rapport("down")
        person = _people(Path(folder) / "landing" / "truth" / "people.csv")
    truth = {customer_id: person.get((kind, value), customer_id) for customer_id, kind, value in named}
    return sum(truth[one] == truth[other] for one, other in pairs), len(pairs), _pairs(truth.values())


def _people(path: Path) -> dict[tuple[str, str], str]:
    with path.open(newline="") as file:
        return {
            (kind, value.lower() if kind == "email" else value): row["person_id"]
            for row in csv.DictReader(file)
            for kind, column in COLUMNS.items()
            for value in row[column].split()
        }


def _pairs(groups: object) -> int:
    return sum(size * (size - 1) // 2 for size in Counter(groups).values())  # type: ignore[call-overload]


def _scores(
    name: str, right: int, found: int, wanted: int, *, least_precision: float
) -> Iterator[dict[str, object]]:
    precision = right / found if found else 1.0
    yield {
        "measure": f"identity.proposals_precision_{name}",
        "value": round(precision, 4),
        "unit": f"of {found} proposed pairs",
        "target": f">= {least_precision}",
        "ok": precision >= least_precision,
    }
    yield {
        "measure": f"identity.proposals_recall_{name}",
        "value": round(right / wanted if wanted else 1.0, 4),
        "unit": f"of {wanted} pairs of records of one person",
        "target": "as found",
        "ok": True,
    }
