"""How real feeds are untidy: addresses and numbers as people type them, and rows that are simply broken."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rapport.demo.chance import Numbers, Texts, pick
from rapport.demo.people import People

Breakages = Sequence[tuple[str, Any]]


def typed_emails(rng: np.random.Generator, emails: Texts) -> Texts:
    """The addresses as typed: one in nine with capitals, in capitals, or with blanks around it."""
    style = pick(rng, (0.89, 0.05, 0.03, 0.03), len(emails))
    typed = emails.copy()
    for position in np.flatnonzero(style):
        email = emails[position]
        if email:
            typed[position] = (email.title(), email.upper(), f" {email} ")[style[position] - 1]
    return typed


def typed_phones(rng: np.random.Generator, people: People, person: Numbers) -> Texts:
    """The phone number of each person, in international form or as it is written at home."""
    chosen: Texts = people.phones[pick(rng, (0.4, 0.3, 0.2, 0.1), len(person)), person]
    return chosen


def with_broken_rows(rng: np.random.Generator, rows: pd.DataFrame, breakages: Breakages) -> pd.DataFrame:
    """The rows and, for each breakage (column, value), a broken copy of one of them, right behind it."""
    if rows.empty:
        return rows
    originals = np.sort(rng.integers(0, len(rows), len(breakages)))
    taken = np.insert(np.arange(len(rows)), originals + 1, originals)
    broken = originals + 1 + np.arange(len(breakages))
    mixed = rows.iloc[taken].reset_index(drop=True)
    for position, (column, value) in zip(broken.tolist(), breakages, strict=True):
        mixed.loc[position, column] = value
    return mixed
