"""A generated shop's files, read as somebody would who knows nothing but them."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rapport.demo.truth import ShopTruth


@dataclass(frozen=True)
class WrittenShop:
    """The files of a generated shop."""

    folder: Path
    truth: ShopTruth

    def feed(self, name: str) -> pd.DataFrame:
        """All rows of a feed as they stand in its files, as text where the format knows nothing else."""
        parts = [_read(path) for path in sorted((self.folder / name).iterdir())]
        return pd.concat(parts, ignore_index=True)

    def people(self) -> pd.DataFrame:
        """truth/people.csv."""
        return pd.read_csv(self.folder / "truth" / "people.csv", dtype=str, keep_default_na=False)

    def owner_of(self, column: str) -> dict[str, str]:
        """Identifier → person, for one of the columns of people.csv."""
        table = self.people()
        pairs = table[column].str.split().explode().dropna()
        assert pairs.is_unique, f"two people share {column}"
        return dict(zip(pairs, table.loc[pairs.index, "person_id"], strict=True))


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if ".jsonl" in path.name:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return pd.DataFrame([json.loads(line) for line in content.splitlines()], dtype=object)
    separator = ";" if path.name == "contacts.csv" else ","
    return pd.read_csv(path, dtype=str, keep_default_na=False, sep=separator)


def counts_on_disk(folder: Path) -> dict[str, object]:
    """truth/counts.json."""
    values: dict[str, object] = json.loads((folder / "truth" / "counts.json").read_text())
    return values
