"""dbt, run inside this process: one build a layer, every model's and test's result handed back."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from rapport import checks, dbt_sources, warehouse
from rapport.errors import ConfigurationError, DataTestsFailed, DiskFull
from rapport.ledger import EVERYTHING, News, Run, TestResult
from rapport.settings import Settings

# The models of each layer; identity is resolved in Python between the first two. A test runs in the layer
# that completes what it reads.
LAYERS: dict[str, list[str]] = {
    "staging": ["path:models/staging", "path:models/intermediate/identity"],
    "marts": [
        "path:seeds",
        "path:models/intermediate",
        "path:models/marts",
        "path:models/activation",
        "path:models/reporting",
    ],
    "segments": ["path:models/segments"],
}
EXCLUDED: dict[str, list[str]] = {"marts": ["path:models/intermediate/identity"]}

# Where nothing was loaded and nobody became somebody else, these alone differ from the last view; the other
# ones show what has changed since that: left as an earlier run made them, they would show too much, or too
# little. Those in staging are built in any case: who becomes somebody else is decided after them.
MOVING_WITH_TIME = "tag:as_of"
CHANGES = "tag:since"

RUN_VARIABLES = ("as_of", "max_batch_id", "run_id", "since_run_id", "since_batch_id", "since_as_of")
EPOCH = "1970-01-01T00:00:00+00:00"

# Reading the project asks no database; one that is nowhere lets what was read serve any.
NOWHERE = "postgresql://none:none@none:5432/none"


@dataclass(frozen=True)
class BuildResult:
    """`rows` counts what the layer's tables hold now; views count nothing."""

    rows: int
    tests: list[TestResult]
    failures: list[str]

    def raise_failures(self) -> None:
        """Raise what went wrong in one sentence, if anything did.

        Raises:
            DataTestsFailed: a model could not be built or a test found rows.
        """
        if self.failures:
            raise DataTestsFailed("; ".join(self.failures))


def build(settings: Settings, url: str, run: Run, layer: str, news: News = EVERYTHING) -> BuildResult:
    """Build and test one layer for a run: what follows from the news, and the models that move with time.

    Raises:
        WarehouseUnavailable: the warehouse went away meanwhile.
        DiskFull: its disk is full.
        ConfigurationError: the project does not parse; dbt's sentence is passed on.
    """
    # Unit tests guard the models' code, not the data: they run with the tests of this repository.
    selection = ["--select", *selected(layer, news), "--exclude-resource-type", "unit_test"]
    if layer in EXCLUDED:
        selection += ["--exclude", *EXCLUDED[layer]]
    arguments = ["build", *selection, *run_arguments(settings, run), "--no-write-json"]
    with environment(url):
        project = manifest(settings, url)
        outcome = _invoke(settings, arguments, manifest=project)
    if outcome.result is None:
        raise ConfigurationError(f"dbt could not start the {layer} layer: {outcome.exception}")
    result = _summary(outcome.result.results, project)
    if any("No space left on device" in failure for failure in result.failures):
        raise DiskFull(
            f"the warehouse's disk is full while building {layer}; free some room and run again. "
            "What was built before is unchanged"
        )
    if result.failures:
        # Where it was the warehouse that went away, say that and let the step be tried again.
        warehouse.connect(url).close()
    return result


def selected(layer: str, news: News) -> list[str]:
    """What of a layer is built and tested, as dbt's selectors; one of them suffices."""
    if news.is_everything:
        return LAYERS[layer]
    changed = [f"source:raw.{stream}+" for stream in sorted(news.streams)]
    causes = [*changed, *([CHANGES] if changed or layer == "staging" else []), MOVING_WITH_TIME]
    return [f"{path},{cause}" for path in LAYERS[layer] for cause in causes]


def command(settings: Settings, url: str, run: Run | None, arguments: list[str]) -> bool:
    """Run any dbt command as of the given run, its output going to the terminal; True when it succeeded.

    Raises:
        ConfigurationError: freshness was asked for, and a source file is wrong.
    """
    _write_feeds(settings, is_needed="source" in arguments)
    with environment(url, dbt_sources.folder(settings)):
        extra = run_arguments(settings, run) if run is not None else project_arguments(settings)
        return bool(_invoke(settings, [*arguments, *extra], quiet=False).success)


def parse(settings: Settings, target: Path) -> None:
    """Read the project without a database; `target` is the folder that gets its manifest.json.

    Raises:
        ConfigurationError: the project does not parse.
    """
    nowhere = ["--project-dir", str(settings.dbt_project), "--profiles-dir", str(settings.dbt_project)]
    with environment(NOWHERE):
        outcome = _invoke(
            settings,
            [
                "parse",
                "--no-partial-parse",
                *nowhere,
                "--target-path",
                str(target),
                "--log-path",
                str(target),
            ],
        )
    if not outcome.success:
        raise ConfigurationError(f"the dbt project does not parse: {outcome.exception}")


def manifest(settings: Settings, url: str) -> Any:
    """The project as dbt reads it; read again only where a file or a parameter changed since the last run.

    dbt would read all of it again for each run's variables, for each database and for each home's feeds,
    which no model reads: they are left out. What the variables say is looked at when a model is built; its
    inputs are those of a run that builds upon an earlier view, which has the most. The name of the database
    is put in here.

    Raises:
        ConfigurationError: the project does not parse; dbt's sentence is passed on.
    """
    variables = {**parameters(settings), **dict.fromkeys(RUN_VARIABLES, 0), "as_of": EPOCH}
    arguments = ["parse", "--no-write-json", *_places(settings, "parsed"), "--vars", json.dumps(variables)]
    with environment(NOWHERE):
        outcome = _invoke(settings, arguments)
    if not outcome.success:
        raise ConfigurationError(f"the dbt project does not parse: {outcome.exception}")
    database = unquote(urlsplit(url).path.lstrip("/"))
    for node in (*outcome.result.nodes.values(), *outcome.result.sources.values()):
        if node.relation_name:
            node.relation_name = node.relation_name.replace(f'"{node.database}"', f'"{database}"', 1)
        node.database = database
    return outcome.result


def project_arguments(settings: Settings) -> list[str]:
    """Where the project lies, and where dbt may write: never into the project itself."""
    return _places(settings, "target")


def _places(settings: Settings, target: str) -> list[str]:
    return [
        "--project-dir",
        str(settings.dbt_project),
        "--profiles-dir",
        str(settings.dbt_project),
        "--target-path",
        str(settings.home / "dbt" / target),
        "--log-path",
        str(settings.home / "dbt" / "logs"),
    ]


def run_arguments(settings: Settings, run: Run) -> list[str]:
    """The project's place plus the run's variables and the team's model parameters."""
    variables = {
        **parameters(settings),
        "as_of": run.as_of.isoformat(),
        "max_batch_id": run.max_batch_id,
        "run_id": run.run_id,
        "since_run_id": run.since.run_id if run.since else None,
        "since_batch_id": run.since.max_batch_id if run.since else None,
        "since_as_of": run.since.as_of.isoformat() if run.since else None,
    }
    return [*project_arguments(settings), "--vars", json.dumps(variables)]


def view_hash(settings: Settings) -> str:
    """What the customer view is built with: models, macros and parameters. Exchange rates are data."""
    digest = hashlib.sha256(json.dumps(parameters(settings), sort_keys=True, default=str).encode())
    for folder in ("models", "macros", "seeds"):
        for path in sorted((settings.dbt_project / folder).rglob("*")):
            if path.is_file() and path.name != "exchange_rates.csv":
                digest.update(f"{path.relative_to(settings.dbt_project)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def parameters(settings: Settings) -> dict[str, Any]:
    """What config/customer_view.yml sets differently from dbt_project.yml, and what config/service.yml sets.

    Raises:
        ConfigurationError: a key that no model knows, or hours that are none.
    """
    from difflib import get_close_matches

    from rapport.service_hours import read_service_hours

    path = settings.config / "customer_view.yml"
    chosen = yaml.safe_load(path.read_text()) or {} if path.exists() else {}
    known = yaml.safe_load((settings.dbt_project / "dbt_project.yml").read_text())["vars"]
    known.pop("service_hours")
    for key in chosen:
        if key not in known or key in RUN_VARIABLES:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}"
            if key == "service_hours":
                hint = "the hours of the help desk are in config/service.yml"
            raise ConfigurationError(f"{path}: unknown key {key}; {hint}")
    hours = read_service_hours(settings)
    return {**chosen, **({"service_hours": hours.as_variable()} if hours else {})}


# Every statement in dbt's log costs a build a sixth of its time; they lie in the target folder anyway.
QUIET = ["--quiet", "--log-level-file", "warn", "--no-use-colors", "--no-send-anonymous-usage-stats"]


class environment:  # noqa: N801 - reads as a verb in `with dbt.environment(url)`
    """The connection for profiles.yml, in environment variables so that no file holds the password."""

    def __init__(self, url: str, feeds: Path | None = None) -> None:
        parts = urlsplit(url)
        self.values = {
            "RAPPORT_DBT_HOST": parts.hostname or "127.0.0.1",
            "RAPPORT_DBT_PORT": str(parts.port or 5432),
            "RAPPORT_DBT_USER": unquote(parts.username or ""),
            "RAPPORT_DBT_PASSWORD": unquote(parts.password or ""),
            "RAPPORT_DBT_DATABASE": unquote(parts.path.lstrip("/")),
            "PGTZ": "UTC",
            **({"RAPPORT_DBT_FEEDS": str(feeds)} if feeds else {}),
            # A test runs with the last of the models that it reads, not with the first.
            "DBT_INDIRECT_SELECTION": "buildable",
        }
        self.before: dict[str, str | None] = {}

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _write_feeds(settings: Settings, *, is_needed: bool) -> None:
    from rapport.sources.configuration import read_feeds

    try:
        dbt_sources.write(settings, read_feeds(settings))
    except ConfigurationError:
        if is_needed:
            raise


def _invoke(settings: Settings, arguments: list[str], *, quiet: bool = True, manifest: Any = None) -> Any:
    from dbt.cli.main import dbtRunner

    (settings.home / "dbt").mkdir(parents=True, exist_ok=True)
    flags = QUIET if quiet else []
    return dbtRunner(manifest).invoke([*flags, *arguments])


def _summary(results: Any, manifest: Any) -> BuildResult:
    rows = 0
    tests: list[TestResult] = []
    failures: list[str] = []
    for result in results:
        node, status = result.node, str(result.status)
        if node.resource_type == "test":
            tests.append(
                TestResult(
                    test=node.name,
                    model=_tested_model(node),
                    status=status,
                    failures=result.failures,
                    description=checks.meaning(node),
                    message=result.message,
                    owner=checks.owner(node, manifest.nodes),
                )
            )
        else:
            rows += max(int((result.adapter_response or {}).get("rows_affected", 0) or 0), 0)
        if status in ("error", "fail", "runtime error"):
            failures.append(f"{node.resource_type} {node.name}: {_one_line(result.message)}")
    return BuildResult(rows=rows, tests=tests, failures=failures)


def _tested_model(node: Any) -> str | None:
    attached = getattr(node, "attached_node", None)
    return str(attached).rsplit(".", 1)[-1] if attached else None


def _one_line(message: str | None) -> str:
    return " ".join((message or "failed").split())
