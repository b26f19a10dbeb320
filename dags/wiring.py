"""What the DAGs share: the assets between them, their defaults, and how a task meets Rapport's errors."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

ORDERS = Asset(name="orders", uri="x-rapport://raw/orders", group="raw")
WEB_EVENTS = Asset(name="web_events", uri="x-rapport://raw/web_events", group="raw")
SUPPORT_TICKETS = Asset(name="support_tickets", uri="x-rapport://raw/support_tickets", group="raw")
FEEDBACK = Asset(name="feedback", uri="x-rapport://raw/feedback", group="raw")
CUSTOMER_VIEW = Asset(name="customer_view", uri="x-rapport://marts/customer_view", group="marts")
EDITIONS = Asset(name="editions", uri="x-rapport://activation/editions", group="activation")


def alert(context: Any) -> None:
    """The failure callback of every task, once its retries are used up."""
    from rapport.alerts import task_failed
    from rapport.settings import Settings

    instance = context["ti"]
    webhook = Settings.from_environment().alert_webhook
    task_failed(instance.dag_id, instance.task_id, instance.run_id, webhook)


DEFAULTS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {
        "owner": "data-engineering",
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=15),
        "on_failure_callback": alert,
    },
}


def step(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """An Airflow task that the run ledger can name, and whose permanent errors are not retried."""
    if function is None:
        return functools.partial(step, **options)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        from rapport import steps
        from rapport.ledger import TaskTry

        instance = get_current_context()["ti"]
        task_try = TaskTry(instance.run_id, instance.task_id, instance.map_index, instance.try_number)
        with permanent_errors_fail(), steps.done_by(task_try):
            return function(*args, **kwargs)

    return task(**options)(call)


@contextmanager
def permanent_errors_fail() -> Iterator[None]:
    """What trying again would not change fails the task at once."""
    from rapport.errors import PermanentError

    try:
        yield
    except PermanentError as error:
        raise AirflowFailException(str(error)) from error


def conf() -> dict[str, Any]:
    """What the DAG run was started with: `run_id`, `as_of` and `rebuild` under `rapport run`."""
    return get_current_context()["dag_run"].conf or {}


def asked_for(name: str) -> Any:
    """What the DAG run's conf says, else the newest asset event that started it, else None."""
    said = _said_by_events(name)
    return conf().get(name, said[-1] if said else None)


def news(name: str) -> list[Any] | None:
    """What all asset events that started the DAG run list together; None where a person started it."""
    said = _said_by_events(name)
    return [one for listed in said for one in listed] if said else None


def _said_by_events(name: str) -> list[Any]:
    triggers = (get_current_context().get("triggering_asset_events") or {}).values()
    events = sorted((event for events in triggers for event in events), key=lambda event: event.timestamp)
    return [event.extra[name] for event in events if name in (event.extra or {})]


def as_of() -> datetime:
    """The moment the DAG run stands for: the one it was asked for, else when it was to run."""
    asked = asked_for("as_of")
    return datetime.fromisoformat(asked) if asked else get_current_context()["dag_run"].run_after


def load_streams(streams: Sequence[str], outlet: Asset) -> None:
    """One task a feed, so that a broken one stops alone; then the asset, also when nothing was new.

    Under `rapport run` one task loads all, by name: `dag.test()` keeps no order among mapped tasks,
    and the same input should get the same batch ids in every new warehouse.
    """

    @step
    def find_feeds() -> list[list[str]]:
        from rapport import steps

        names = steps.feed_names(streams)
        return [names] if conf().get("run_id") is not None else [[name] for name in names]

    @step(max_active_tis_per_dagrun=2)
    def load(feeds: list[str]) -> None:
        from rapport import steps

        steps.load_feeds(get_current_context()["dag_run"].dag_id, feeds, conf().get("run_id"))

    @task(outlets=[outlet], trigger_rule="all_done")
    def announce() -> None:
        """The customer view does not wait for a feed that failed; campaigns do."""

    @task(trigger_rule="one_failed", retries=0)
    def fail_with_the_feed() -> None:
        raise AirflowFailException("a feed could not be loaded; its task says why")

    loaded = load.expand(feeds=find_feeds())
    loaded >> announce()
    loaded >> fail_with_the_feed()
