"""PostgreSQL's CSV as Arrow reads it."""

import pyarrow as pa
from pyarrow import csv


def conversion(schema: pa.Schema) -> csv.ConvertOptions:
    """Values as `copy … (format csv)` writes them; an unquoted nothing is null, a quoted one ''."""
    return csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        true_values=["t"],
        false_values=["f"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
