"""The JSON Schema of source files, for editors. `python -m rapport.sources.schema` writes it anew."""

import json
from pathlib import Path
from typing import Any

from rapport.settings import PROJECT
from rapport.sources.source_file import SourceFile
from rapport.streams import STREAMS

SCHEMA_FILE = PROJECT / "config" / "schema" / "source.json"


def source_schema() -> dict[str, Any]:
    """The schema that the models give, with the names of streams, modes and columns filled in."""
    schema = SourceFile.model_json_schema()
    properties = schema["properties"]
    properties["stream"]["enum"] = sorted(STREAMS)
    properties["mode"]["anyOf"][0]["enum"] = sorted(
        {mode.value for s in STREAMS.values() for mode in s.modes}
    )
    names = sorted({column.name for stream in STREAMS.values() for column in stream.columns})
    properties["columns"]["propertyNames"] = {"enum": names}
    # In a file with several feeds, what stands beside them holds for each: no key is missing anywhere.
    deep = ("stream", "mode", "columns", "freshness", "limits")
    own = {name: properties[name] if name in deep else {} for name in properties}
    properties["feeds"] = {
        "description": "Feed: its keys. What stands beside `feeds` holds for each of them.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "object", "properties": own, "additionalProperties": False},
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["feeds"]}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schema(path: Path = SCHEMA_FILE) -> None:
    """Write the schema to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(source_schema(), indent=2) + "\n")


if __name__ == "__main__":
    write_schema()
