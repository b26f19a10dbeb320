"""The contract of each stream: the columns its raw table holds, their types, and which a row must have."""

from rapport.streams.contract import IDENTITY_COLUMNS, Column, ColumnType, Mode, Stream
from rapport.streams.definitions import STREAMS

__all__ = ["IDENTITY_COLUMNS", "STREAMS", "Column", "ColumnType", "Mode", "Stream"]
