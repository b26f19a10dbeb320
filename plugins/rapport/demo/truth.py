"""The truth behind the feeds: who is who, who has stopped, and how many rows of what kind were written."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rapport.demo.chance import Numbers, Texts, texts
from rapport.demo.people import NEVER, People
from rapport.demo.seasons import Calendar, iso

IDENTIFIERS = {
    "email": "emails",
    "phone": "phones",
    "customer_number": "customer_numbers",
    "contact": "contact_ids",
    "device": "devices",
}


@dataclass
class FeedCounts:
    """`rows` counts every row of the feed's files, the broken ones and the duplicates among them."""

    files: int = 0
    rows: int = 0
    broken: int = 0
    duplicates: int = 0


@dataclass
class ShopTruth:
    """What truth/counts.json holds, and the folder that holds everything.

    Amounts are cents. `orders` are those in the feed; `gross_cents` sums their lines of positive quantity,
    `returned_cents` those of negative quantity, `refunded_cents` the refunds (positive; none is also a line).
    `people` have an identifier in the feeds, `stopped` of all people no longer buy.
    """

    folder: Path
    seed: int
    customers: int
    end: datetime
    people: int = 0
    stopped: int = 0
    orders: int = 0
    gross_cents: int = 0
    returned_cents: int = 0
    refunded_cents: int = 0
    feeds: dict[str, FeedCounts] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """The rows of each feed."""
        return {feed: counts.rows for feed, counts in self.feeds.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything but the folder, in plain values."""
        values = asdict(self)
        del values["folder"]
        return values | {"end": self.end.isoformat()}

    @classmethod
    def from_json(cls, folder: Path, values: dict[str, Any]) -> "ShopTruth":
        """The truth that `as_json` gave."""
        feeds = {name: FeedCounts(**counts) for name, counts in values["feeds"].items()}
        return cls(
            **(values | {"folder": folder, "end": datetime.fromisoformat(values["end"]), "feeds": feeds})
        )


class Sightings:
    """Which identifiers of whom the feeds show."""

    def __init__(self) -> None:
        self._seen: dict[str, list[pd.DataFrame]] = {kind: [] for kind in IDENTIFIERS}

    def saw(self, kind: str, person: Numbers, values: Texts) -> None:
        """The feeds show these values of the person's identifier; '' stands for none."""
        shown = pd.DataFrame({"person": person, "value": values})
        self._seen[kind].append(shown[shown["value"] != ""].drop_duplicates())

    def people(self, people: People) -> pd.DataFrame:
        """One row for each person that has an identifier: their names and, by kind, all of them."""
        table = pd.DataFrame(
            {"person_id": people.ids, "first_name": people.first_name, "last_name": people.last_name}
        )
        for kind, column in IDENTIFIERS.items():
            shown = pd.concat(self._seen[kind]).drop_duplicates().sort_values(["person", "value"])
            table[column] = shown.groupby("person")["value"].agg(" ".join).reindex(table.index).fillna("")
        return table[(table[list(IDENTIFIERS.values())] != "").any(axis=1)]


def stopped(people: People, calendar: Calendar) -> pd.DataFrame:
    """One row for each person who has stopped buying before the calendar's end."""
    gone = np.flatnonzero(people.stopped != NEVER)
    at = texts([f"{time}Z" for time in iso(calendar.to_utc(people.stopped[gone]))])
    return pd.DataFrame({"person_id": people.ids[gone], "stopped_at": at})
