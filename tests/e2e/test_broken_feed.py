"""One feed, one campaign and one file are wrong: the rest works, nobody is mailed, and mending heals it."""

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation

from rapport.settings import PROJECT

AS_OF = "2026-07-01T06:00:00Z"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("broken") / "home"
    config = home.parent / "config"
    shutil.copytree(PROJECT / "config", config)
    installation = Installation(home, {"RAPPORT_CONFIG": str(config)})
    assert installation.rapport("demo-data", "--customers", "200").returncode == 0
    yield installation
    installation.stop()


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_mistake_in_a_source_file_is_refused_before_anything_is_read(broken: Installation) -> None:
    orders = broken.home.parent / "config" / "sources" / "orders.yml"
    replace(orders, "columns:", "colums:")
    done = broken.rapport("run", "--as-of", AS_OF)
    replace(orders, "colums:", "columns:")
    assert done.returncode == 2
    assert "orders.yml" in done.stderr
    assert "colums" in done.stderr
    assert "did you mean columns?" in done.stderr
    assert len(done.stderr.splitlines()) <= 3, "a sentence, not a trace"
    assert broken.status() is None, "no run was opened"


def test_what_is_wrong_stops_alone_is_named_and_holds_the_mails(broken: Installation) -> None:
    config = broken.home.parent / "config"
    replace(config / "sources" / "survey_responses.yml", "comment: words", "comment: remarks")
    replace(config / "campaigns" / "win_back.yml", "lapsed", "lapsd")
    web_events = sorted((broken.home / "landing" / "web_events").glob("*.gz"))[0]
    whole = web_events.read_bytes()
    web_events.write_bytes(whole[: len(whole) // 2])

    done = broken.rapport("run", "--as-of", AS_OF)

    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    assert "remarks" in said
    assert web_events.name in said
    assert "gzip" in said
    assert "lapsd" in said
    status = broken.status()
    assert status["state"] == "failed"
    failed = {step["step"] for step in status["steps"] if step["state"] == "failed"}
    assert failed == {"survey_responses", "web_events", "plan_campaigns"}
    events = next(step for step in status["steps"] if step["step"] == "web_events")
    assert events["rows_loaded"] > 0, "the feed's other files were loaded"
    assert status["customers"] > 100
    assert broken.mails() == {}
    held = {name: campaign["held_because"] for name, campaign in status["campaigns"].items()}
    assert held
    assert all(reason.startswith("failed_step") for reason in held.values())

    web_events.write_bytes(whole)
    replace(config / "sources" / "survey_responses.yml", "comment: remarks", "comment: words")
    replace(config / "campaigns" / "win_back.yml", "lapsd", "lapsed")
    done = broken.rapport("run", "--as-of", AS_OF)

    assert done.returncode == 0, done.stdout + done.stderr
    status = broken.status()
    assert status["state"] == "succeeded"
    assert sum(campaign["sent"] for campaign in status["campaigns"].values()) == len(broken.mails()) > 0
    with broken.connect() as connection:
        lost = connection.execute(
            """
            select count(*) from ops.load_batches
            where rows_read <> rows_loaded + rows_duplicate + rows_rejected
            """
        ).fetchone()
        files = connection.execute(
            "select count(distinct file) from ops.load_batches where feed = 'web_events'"
        ).fetchone()
    assert lost == (0,)
    assert files == (len(list((broken.home / "landing" / "web_events").glob("*.gz"))),)


def test_rows_of_a_gzip_file_are_what_gzip_holds(broken: Installation) -> None:
    """Guards the test above: half of the bytes are not a file that happens to end well."""
    file = sorted((broken.home / "landing" / "web_events").glob("*.gz"))[0]
    with pytest.raises(EOFError):
        gzip.decompress(file.read_bytes()[: file.stat().st_size // 2])
