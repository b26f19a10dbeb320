"""Text → UTC times and dates.

A time without an offset is read in the feed's zone, UTC where it names none (see `local_times`).
"""

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rapport.sources.local_times import Ambiguous, Nonexistent, to_utc

_OFFSET = r"(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
_ISO_TIME = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_CLOCK}( ?{_OFFSET})?)?$"
_HAS_OFFSET = rf"[T ].*{_OFFSET}$"
_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]00:00(:00(\.0+)?)?)?$"
ISO_FORMAT = "ISO8601"  # as a format: any ISO 8601 time, also where a date is wanted
_FIRST, _END = np.datetime64("1900-01-01", "us"), np.datetime64("2201-01-01", "us")


def utc_times(
    texts: pa.StringArray,
    *,
    zone: str | None = None,
    written: str | None = None,
    ambiguous: Ambiguous = Ambiguous.FIRST,
    nonexistent: Nonexistent = Nonexistent.SHIFT,
) -> pa.StringArray:
    """ISO 8601 in UTC, to the microsecond, for each distinct text; null where it is no time in 1900 to 2200.

    `written` is a strptime format, default ISO 8601; with %z in it the offset is the text's own.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    written = None if written == ISO_FORMAT else written
    if written is not None:
        aware = pa.repeat(pa.scalar("%z" in written), len(trimmed))
    else:
        trimmed = pc.if_else(pc.match_substring_regex(trimmed, _ISO_TIME), trimmed, None)
        aware = pc.fill_null(pc.match_substring_regex(trimmed, _HAS_OFFSET), False)
    result = np.full(len(trimmed), np.datetime64("NaT"), dtype="datetime64[us]")
    for has_offset in (True, False):
        chosen = np.flatnonzero(aware.to_numpy(zero_copy_only=False) == has_offset)
        if len(chosen):
            moments = _parse(trimmed.take(pa.array(chosen)), written, has_offset)
            is_utc = has_offset or zone is None
            result[chosen] = moments if is_utc else to_utc(moments, str(zone), ambiguous, nonexistent)
    return _in_range(result, "us", "Z")


def dates(texts: pa.StringArray, *, written: str | None = None) -> pa.StringArray:
    """YYYY-MM-DD for each distinct text; null where it is no date in 1900 to 2200.

    As `ISO8601` written, a text may be a time: its date is taken as it stands there, whatever the offset.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    if written is None or written == ISO_FORMAT:
        matches = pc.match_substring_regex(trimmed, _ISO_DATE if written is None else _ISO_TIME)
        trimmed = pc.if_else(matches, pc.utf8_slice_codeunits(trimmed, 0, 10), None)
        written = None
    return _in_range(_parse(trimmed, written, False), "D", "")


def _parse(texts: pa.StringArray, written: str | None, has_offset: bool) -> Any:
    """datetime64[us]; UTC where the texts carry an offset. NaT where a text is no time."""
    if written is None:
        texts = pc.replace_substring(texts, ",", ".")
        if has_offset:
            texts = pc.replace_substring_regex(texts, " ?(UTC|z)$", "Z")
            texts = pc.replace_substring_regex(texts, " ([+-][0-9:]+|Z)$", r"\1")
    series = pd.Series(texts.to_pandas(), dtype=object)
    moments = pd.to_datetime(series, format=written or "ISO8601", utc=has_offset, errors="coerce")
    if has_offset:
        moments = moments.dt.tz_localize(None)
    return moments.to_numpy().astype("datetime64[us]")


def _in_range(moments: Any, unit: Literal["D", "us"], suffix: str) -> pa.StringArray:
    outside = np.isnat(moments) | (moments < _FIRST) | (moments >= _END)
    texts = np.datetime_as_string(moments, unit=unit)
    result = pa.array(texts.astype(object), pa.string(), mask=outside)
    return pc.binary_join_element_wise(result, suffix, "") if suffix else result
