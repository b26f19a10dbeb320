"""The survey tool's answers as Parquet, and the decisions about mail as CSV."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from rapport.demo.chance import Numbers, Texts, texts
from rapport.demo.dirt import Breakages, with_broken_rows
from rapport.demo.feedback import Answers, Decisions
from rapport.demo.people import NEVER, People
from rapport.demo.seasons import Calendar, iso
from rapport.demo.truth import FeedCounts, Sightings
from rapport.demo.writing import csv, parquet

_BROKEN_ANSWERS: Breakages = (("answer", None), ("points", None), ("question", "mood"))
_BROKEN_DECISIONS: Breakages = (("decided", "2026-02-29T08:00:00Z"), ("answer", "perhaps"), ("topic", ""))


def survey_file(
    rng: np.random.Generator,
    answers: Answers,
    people: People,
    calendar: Calendar,
    counts: FeedCounts,
    sightings: Sightings,
) -> Iterator[tuple[str, bytes]]:
    """Every answer, by time, with typed columns."""
    sightings.saw("email", answers.person, people.email[answers.person])
    rows = pd.DataFrame(
        {
            "answer": texts([f"A{number + 1:06d}" for number in range(len(answers.score))]),
            "at": calendar.to_utc(answers.responded) * 1_000_000,
            "question": answers.metric,
            "points": texts(answers.score.tolist()),
            "words": texts([words or None for words in answers.comment]),
            "regarding": answers.about,
            "email": people.email[answers.person],
        },
        dtype=object,
    )
    mixed = with_broken_rows(rng, rows, _BROKEN_ANSWERS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    types = {"at": pa.timestamp("us", tz="UTC"), "points": pa.int64()}
    yield (
        "survey_responses.parquet",
        parquet(
            pa.table(
                {
                    column: pa.array(mixed[column].tolist(), type=types.get(column, pa.string()))
                    for column in mixed.columns
                }
            )
        ),
    )


def consent_file(
    rng: np.random.Generator,
    decisions: Decisions,
    people: People,
    calendar: Calendar,
    counts: FeedCounts,
    sightings: Sightings,
) -> Iterator[tuple[str, bytes]]:
    """Every decision, by time. The export has no id: the source file makes one out of four columns."""
    email = people.email[decisions.person]
    sightings.saw("email", decisions.person, email)
    rows = pd.DataFrame(
        {
            "email": email,
            "decided": iso(calendar.to_utc(decisions.decided)) + "Z",
            "channel": decisions.channel,
            "topic": decisions.topic,
            "answer": np.where(decisions.is_granted, "yes", "no"),
            "basis": decisions.basis,
            "confirmed": _when(decisions.confirmed, calendar),
            "valid_until": _when(decisions.expires, calendar),
            "wording": np.where(decisions.is_granted, "2025-01", ""),
        }
    )
    mixed = with_broken_rows(rng, rows, _BROKEN_DECISIONS)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    yield "consents.csv", csv(mixed)


def _when(wall: Numbers, calendar: Calendar) -> Texts:
    """The time in UTC, '' for NEVER."""
    is_set = wall != NEVER
    times: Texts = np.where(is_set, iso(calendar.to_utc(np.where(is_set, wall, 0))) + "Z", "")
    return times
