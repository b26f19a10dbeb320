"""Which segments there are: one SQL file of the dbt project each."""

from pathlib import Path

from rapport.errors import ConfigurationError

FOLDER = Path("models") / "segments"


def segment_names(dbt_project: Path) -> list[str]:
    """The names of the segments, in alphabetical order.

    Raises:
        ConfigurationError: the folder is missing. That must not read as "there are no segments any more",
            which would end every membership.
    """
    folder = dbt_project / FOLDER
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; it holds one SQL file per segment")
    return sorted(path.stem for path in folder.glob("*.sql"))


def segment_file(segment: str) -> Path:
    """The segment's file, seen from the project's folder."""
    return Path("dbt_project") / FOLDER / f"{segment}.sql"
