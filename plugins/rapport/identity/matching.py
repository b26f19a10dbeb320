"""Records that look like one person by name, birth date and address: a Fellegi-Sunter model, by Splink."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.identity.observations import TEXT

LABELS = {
    "first_name": "first name",
    "last_name": "last name",
    "birth_date": "birth date",
    "city": "city",
    "postal_code": "postal code",
}
# birth_date is written YYYY-MM-DD.
RECORDS = pa.schema([("record_id", TEXT), *((name, TEXT) for name in LABELS)])
PAIRS = pa.schema(
    [("record_id_a", TEXT), ("record_id_b", TEXT), ("probability", pa.float64()), ("evidence", TEXT)]
)

# Every pair that is compared agrees on one of these; which of them the model learns from comes first.
_BLOCKS = (
    ("birth_date",),
    ("first_name", "last_name"),
    ("last_name", "postal_code"),
    ("last_name", "city"),
    ("first_name", "postal_code"),
)
_LEARNED_FROM = _BLOCKS[:2]
# Two records that agree on all columns of one of these are taken for one person where the share of true pairs
# is estimated; at least one record in twenty is expected to have a double.
_SURE = (("first_name", "last_name", "birth_date"), ("first_name", "last_name", "postal_code"))
_LEAST_DOUBLES = 0.05
_SAMPLE_PAIRS = 2e6
# A name and a city are shared by many people: a pair must be alike in one of these, too, by at least this of
# Splink's levels of agreement. A birth date within a year is alike, as slips of the pen are; years away not.
_TELLING = {"birth_date": 2, "postal_code": 1}


def likely_pairs(records: pa.Table, *, threshold: float, seed: int = 1) -> pa.Table:
    """The pairs (schema PAIRS, the smaller id first) of records (schema RECORDS) that are likely one person.

    The weights of each kind of agreement are estimated from the records themselves (EM), so that a common
    name counts less than a rare one and a column that is empty does not count. E-mail addresses are left out:
    equal ones are one customer already, and similar ones say no more than the names they are made of.
    Namesakes in one city are no pair without a birth date or postal code that is alike. The same records and
    seed give the same pairs.

    Args:
        threshold: the least probability, of 1.
    """
    present = [name for name in LABELS if records[name].null_count < len(records)]
    blocks = [block for block in _BLOCKS if set(block) <= set(present)]
    if len(records) < 2 or not any(_repeats(records, block) for block in blocks):
        return PAIRS.empty_table()
    with _quiet():
        found = _predict(records.select(["record_id", *present]), present, blocks, threshold, seed)
    telling = {name: level for name, level in _TELLING.items() if name in present}
    rows = [
        _row(pair, present)
        for pair in found
        if any(pair[f"gamma_{name}"] >= level for name, level in telling.items())
    ]
    rows.sort(key=lambda row: (row["record_id_a"], row["record_id_b"]))
    return pa.Table.from_pylist(rows, PAIRS)


def _predict(
    records: pa.Table, present: list[str], blocks: Sequence[tuple[str, ...]], threshold: float, seed: int
) -> list[dict[str, Any]]:
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink.internals.exceptions import EMTrainingException

    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_id",
        comparisons=[_comparison(name) for name in present],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in blocks],
        probability_two_random_records_match=_share_of_true_pairs(records, present),
    )
    linker = Linker(DuckDBAPI().register(records), settings, log_level=None, validate_settings=False)
    linker.training.estimate_u_using_random_sampling(max_pairs=_SAMPLE_PAIRS, seed=seed)
    for block in (block for block in _LEARNED_FROM if block in blocks and _repeats(records, block)):
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*block))
        except EMTrainingException:
            continue  # too few pairs agree; Splink's own weights hold
    predicted = linker.inference.predict(threshold_match_probability=threshold)
    return list(predicted.as_record_list())


def _share_of_true_pairs(records: pa.Table, present: list[str]) -> float:
    """Of all pairs of records, roughly how many are one person."""
    sure = max(
        (_agreeing_pairs(records, columns) for columns in _SURE if set(columns) <= set(present)), default=0
    )
    return max(sure, _LEAST_DOUBLES * len(records)) / (len(records) * (len(records) - 1) / 2)


def _comparison(name: str) -> Any:
    import splink.comparison_library as library

    if name in ("first_name", "last_name"):
        return library.JaroWinklerAtThresholds(name, [0.92, 0.8]).configure(term_frequency_adjustments=True)
    if name == "birth_date":
        return library.DateOfBirthComparison(name, input_is_string=True)
    return library.ExactMatch(name).configure(term_frequency_adjustments=True)


def _repeats(records: pa.Table, block: tuple[str, ...]) -> bool:
    """Whether two records agree on all the columns."""
    return _agreeing_pairs(records, block) > 0


def _agreeing_pairs(records: pa.Table, columns: tuple[str, ...]) -> int:
    """How many pairs of records agree on all the columns."""
    named = records.select(columns).drop_null()
    sizes = named.group_by(list(columns)).aggregate([([], "count_all")])["count_all"].to_numpy()
    return int((sizes * (sizes - 1) // 2).sum())


def _row(pair: dict[str, Any], present: list[str]) -> dict[str, Any]:
    sides = sorted(("l", "r"), key=lambda side: str(pair[f"record_id_{side}"]))
    evidence = [
        f"{LABELS[name]} {values[0]}" + (f" / {values[1]}" if values[0] != values[1] else "")
        for name in present
        if pair[f"gamma_{name}"] > 0
        for values in [[pair[f"{name}_{side}"] for side in sides]]
    ]
    return {
        "record_id_a": pair[f"record_id_{sides[0]}"],
        "record_id_b": pair[f"record_id_{sides[1]}"],
        "probability": pair["match_probability"],
        "evidence": ", ".join(evidence),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Splink tells its user how training goes; here nobody reads it."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as they are compared: lower case, trimmed, null where nothing is left."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, TEXT), texts)
