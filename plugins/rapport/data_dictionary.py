"""docs/data-dictionary.md: every table that people query, with the meaning of each column.

`make docs` writes it from the descriptions in the dbt project, which are also the comments in the database.
"""

import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rapport import dbt
from rapport.settings import PROJECT, Settings

SCHEMAS = {
    "marts": "What marketers and analysts query.",
    "reporting": "The marts without personal data, for everyone who need not see it.",
    "segments": "Who is in which segment now, and why.",
    "activation": "What campaigns are credited with; the tables of planning and sending stand beside it.",
}
_HEAD = """# Data dictionary

Written by `make docs` from the descriptions in `dbt_project/models`, which the database carries as comments.
Times are UTC; an amount is in the currency that its row names; a column marked *personal* is masked in
`reporting`.
"""


def write(target: Path) -> None:
    """Write the dictionary to a file."""
    target.write_text(_HEAD + "".join(_sections(_manifest())))


def undescribed() -> list[str]:
    """The tables and columns that have no description, as schema.table or schema.table.column."""
    missing = []
    for model in _models(_manifest()):
        name = f"{model['schema']}.{model['alias']}"
        missing += [name] if not model["description"] else []
        missing += [
            f"{name}.{column['name']}" for column in model["columns"].values() if not column["description"]
        ]
    return sorted(missing)


@cache
def _manifest() -> dict[str, Any]:
    settings = Settings.from_environment()
    with tempfile.TemporaryDirectory() as folder:
        dbt.parse(settings, Path(folder))
        manifest: dict[str, Any] = json.loads((Path(folder) / "manifest.json").read_text())
    return manifest


def _models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return sorted(
        (model for model in models if model["schema"] in SCHEMAS),
        key=lambda model: (list(SCHEMAS).index(model["schema"]), model["alias"]),
    )


def _sections(manifest: dict[str, Any]) -> Iterator[str]:
    schema = None
    for model in _models(manifest):
        if model["schema"] != schema:
            schema = model["schema"]
            yield f"\n## {schema}\n\n{SCHEMAS[schema]}\n"
        yield f"\n### {schema}.{model['alias']}\n\n{_one_line(model['description'])}\n"
        if model["columns"]:
            yield "\n| column | type | meaning |\n|---|---|---|\n"
        for column in model["columns"].values():
            personal = " *Personal.*" if "pii" in column["tags"] else ""
            meaning = _one_line(column["description"]).replace("|", "\\|")
            yield f"| `{column['name']}` | {column['data_type'] or ''} | {meaning}{personal} |\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    write(PROJECT / "docs" / "data-dictionary.md")
