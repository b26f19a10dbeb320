"""Columns of text → a JSON object or array for each row."""

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_NOT_PLAIN_ASCII = r"[^ !#-\[\]-~]"
_CONTROL = r"[\x00-\x1f]"
_MUST_BE_ESCAPED = r'["\\\x00-\x1f]'


def json_objects(columns: Mapping[str, pa.StringArray], rows: int) -> pa.StringArray:
    """`{"name": "value", …}` for each of the rows, without the missing values; null where all are missing."""
    pairs = [
        pc.binary_join_element_wise(json.dumps(name, ensure_ascii=False) + ': "', _escaped(column), '"', "")
        for name, column in columns.items()
        if column.null_count < rows
    ]
    if not pairs:
        return pa.nulls(rows, pa.string())
    # Arrow 26 leaves a row out of the result where all that it skips is missing: the first text never is.
    joined = pc.binary_join_element_wise(pa.repeat("", rows), *pairs, ", ", null_handling="skip")
    objects = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(joined, 2), "}", "")
    return pc.if_else(pc.equal(objects, "{}"), None, objects)


def json_arrays(columns: Sequence[pa.StringArray]) -> pa.StringArray:
    """`["value", null, …]` for each row, in the letters of ASCII."""
    values = [
        pc.fill_null(pc.binary_join_element_wise('"', _in_ascii(column), '"', ""), "null")
        for column in columns
    ]
    return pc.binary_join_element_wise("[", pc.binary_join_element_wise(*values, ", "), "]", "")


def _in_ascii(column: pa.StringArray) -> pa.StringArray:
    if not pc.any(pc.match_substring_regex(column, _NOT_PLAIN_ASCII)).as_py():
        return column
    encoded = column.dictionary_encode()
    escaped = [json.dumps(text)[1:-1] for text in encoded.dictionary.to_pylist()]
    return pa.array(escaped, pa.string()).take(encoded.indices)


def _escaped(column: pa.StringArray) -> pa.StringArray:
    if not pc.any(pc.match_substring_regex(column, _MUST_BE_ESCAPED)).as_py():
        return column
    if not pc.any(pc.match_substring_regex(column, _CONTROL)).as_py():
        return pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    encoded = column.dictionary_encode()
    escaped = [json.dumps(text, ensure_ascii=False)[1:-1] for text in encoded.dictionary.to_pylist()]
    return pa.array(escaped, pa.string()).take(encoded.indices)
