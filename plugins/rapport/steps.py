"""The steps of the pipeline as plain functions: what the DAGs' tasks call, each noted in the run ledger."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from rapport import change_notes, dbt, freed_memory, ledger, warehouse
from rapport.errors import ConfigurationError, InputError, RapportError, SourceUnavailable
from rapport.ledger import StepRecord, TaskTry
from rapport.settings import Settings

if TYPE_CHECKING:
    from rapport.campaigns.questions import Question
    from rapport.digest.sending import Sent
    from rapport.landing.progress import LoadProgress
    from rapport.sources.feed import Feed

# Seconds that a step waits for another run's step to end.
PATIENCE = 60

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Who looks on while steps work."""

    def __call__(self, dag: str, step: str, record: StepRecord | None) -> None:
        """A step begins, or has ended and left this record."""

    def load_progress(self) -> "LoadProgress":
        """What hears of the chunks of the load that begins now."""


watchers: list[Watcher] = []
_task: ContextVar[TaskTry | None] = ContextVar("task", default=None)


@contextmanager
def done_by(task: TaskTry) -> Iterator[None]:
    """The steps within are those of this task of Airflow, and their log is in Airflow's pages.

    Not under `rapport run`, whose tasks leave theirs in its own log.
    """
    token = _task.set(None if watchers else task)
    try:
        yield
    finally:
        _task.reset(token)


def feed_names(streams: Sequence[str]) -> list[str]:
    """The feeds that fill any of the streams, in the order of their file names."""
    from rapport.sources.configuration import read_feeds

    return [feed.name for feed in read_feeds(Settings.from_environment()) if feed.stream in streams]


def load_feeds(dag: str, names: Sequence[str], run_id: int | None) -> None:
    """Load what is new in the feeds, one after another; a broken one does not keep the next from loading.

    Raises:
        InputError: some feeds cannot be read, or parts of them; what can be was loaded.
        SourceUnavailable: some databases or APIs do not answer, and nothing else is wrong.
    """
    from rapport.sources.configuration import read_feeds

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    feeds = {feed.name: feed for feed in read_feeds(settings)}
    refused: list[RapportError] = []
    for name in names:
        try:
            _load_feed(settings, url, dag, feeds[name], run_id)
        except (InputError, ConfigurationError, SourceUnavailable) as error:
            refused.append(error)
    if refused:
        can_wait = all(isinstance(error, SourceUnavailable) for error in refused)
        kind = SourceUnavailable if can_wait else InputError
        raise kind("\n".join(str(error) for error in refused))


def _load_feed(settings: Settings, url: str, dag: str, feed: "Feed", run_id: int | None) -> None:
    from rapport.landing import load, retention
    from rapport.landing.transaction import LoadCounts

    kept = retention.read_retention(settings).store
    counts = LoadCounts()
    with _recorded(url, run_id, dag, feed.name) as record:
        try:
            counts = load.load_feed(url, feed, progress=_load_progress(), kept=kept)
        except load.FilesRefused as refused:
            counts = refused.counts
            raise
        finally:
            record.rows_read = counts.rows_read
            record.rows_loaded = counts.rows_loaded
            record.rows_duplicate = counts.rows_duplicate
            record.rows_rejected = counts.rows_rejected
    if counts.rows_read:
        freed_memory.give_back()


def _load_progress() -> "LoadProgress":
    from rapport.landing.progress import LOG_SECONDS, LoadProgress

    if watchers:
        return watchers[-1].load_progress()
    return LoadProgress(log.info, LOG_SECONDS, LOG_SECONDS)


def open_run(
    as_of: datetime, run_id: int | None, *, is_rebuild: bool, max_batch_id: int | None = None
) -> int:
    """Open a run where the caller has not, and decide what it may see."""
    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    if run_id is None:
        config = ledger.config_hash([settings.config, settings.dbt_project])
        run_id = ledger.open_run(url, as_of=as_of, config=config, is_rebuild=is_rebuild).run_id
    run = ledger.fix_batches(url, run_id, view=dbt.view_hash(settings), max_batch_id=max_batch_id)
    _record_freshness(settings, url, run)
    return run.run_id


def _record_freshness(settings: Settings, url: str, run: ledger.Run) -> None:
    from rapport.landing import freshness
    from rapport.sources.configuration import read_feeds

    try:
        feeds = read_feeds(settings)
    except ConfigurationError:
        return  # the loads say so; the view is built of what is there
    assert run.max_batch_id is not None
    with warehouse.connect(url) as connection:
        freshness.record(connection, feeds, run_id=run.run_id, as_of=run.as_of, max_batch_id=run.max_batch_id)


def build_layer(dag: str, layer: str, run_id: int) -> None:
    """Build and test one dbt layer.

    Raises:
        DataTestsFailed: a model or a test failed; what was built before is unchanged.
    """
    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    with warehouse.run_lock(url, patience=PATIENCE), _recorded(url, run_id, dag, f"build_{layer}") as record:
        with warehouse.connect(url) as connection:
            run = ledger.run(connection, run_id)
            news = ledger.news(connection, run)
        result = dbt.build(settings, url, run, layer, news)
        ledger.record_tests(url, run_id, layer, result.tests)
        record.rows_out = result.rows
        result.raise_failures()
    if result.rows:
        freed_memory.give_back()


def resolve_identity(dag: str, run_id: int) -> None:
    """Decide who is the same person, from everything the run may see."""
    from rapport.identity import resolve
    from rapport.identity.configuration import read_identity

    settings = Settings.from_environment()
    identity = read_identity(settings)
    url = warehouse.ensure(settings)
    with (
        warehouse.run_lock(url, patience=PATIENCE),
        _recorded(url, run_id, dag, "resolve_identity") as record,
    ):
        with warehouse.connect(url) as connection:
            run = ledger.run(connection, run_id)
        counts = resolve.resolve_identity(url, run, identity)
        record.rows_out = counts.customers
        review = f", {counts.to_review:,} shared identifiers to review" if counts.to_review else ""
        record.message = f"{counts.identifiers:,} identifiers, {counts.merged:,} merged customers{review}"


def record_memberships(dag: str, run_id: int) -> None:
    """Note who entered and who left each segment."""
    from rapport.audiences import built_segments, memberships, segments

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    with (
        warehouse.run_lock(url, patience=PATIENCE),
        _recorded(url, run_id, dag, "record_memberships") as record,
    ):
        with warehouse.connect(url) as connection:
            run = ledger.run(connection, run_id)
        sizes = memberships.record_memberships(url, run, segments.segment_names(settings.dbt_project))
        record.rows_out = sum(sizes.values())
        with warehouse.connect(url) as connection:
            record.message = "; ".join(built_segments.held(connection)) or None


def plan_campaigns(dag: str, run_id: int | None) -> list[str]:
    """Plan and gate every campaign that is due, then close the run; the new editions that await approval.

    Without a `run_id` on the newest customer view, if there is one. Where a newer one is being built already,
    planning is left to that.

    Raises:
        ConfigurationError: some campaigns are wrong; the others were planned.
    """
    from rapport.campaigns import planning

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    with warehouse.run_lock(url, patience=PATIENCE):
        with warehouse.connect(url) as connection:
            run = ledger.run(connection, run_id) if run_id is not None else ledger.newest_view(connection)
            newest = ledger.newest_run(connection)
        if run is None or newest is None:
            return []
        try:
            if newest.run_id > run.run_id and newest.state == "running":
                return []
            with _recorded(url, run.run_id, dag, "plan_campaigns") as record:
                editions = planning.plan_campaigns(url, run, settings)
                record.rows_out = sum(edition.planned for edition in editions)
        finally:
            ledger.close_run(url, run.run_id)
    return [edition.edition_id for edition in editions if edition.state == "awaiting_approval"]


def open_questions(editions: Sequence[str] | None) -> "list[Question]":
    """What a person is to be asked about these editions, or about all that await approval."""
    from rapport.campaigns import questions
    from rapport.digest.configuration import read_digest

    settings = Settings.from_environment()
    with warehouse.connect(warehouse.ensure(settings)) as connection:
        return questions.open_questions(
            connection, editions, datetime.now(UTC), read_digest(settings).pages or ""
        )


def decide(edition_id: str, edition_hash: str, is_approved: bool, *, by: str) -> None:
    """Approve an edition as it was planned under the hash, or reject it, as a person answered in Airflow.

    Raises:
        DecisionRefused: it awaits no approval any more, or was planned afresh since.
    """
    from rapport.campaigns import decisions

    with warehouse.connect(warehouse.ensure(Settings.from_environment())) as connection:
        if is_approved:
            decisions.approve(connection, edition_id, edition_hash, by=by, through="task")
        else:
            decisions.reject(connection, edition_id, by=by, through="task")


def send_due(dag: str, run_id: int | None, now: datetime) -> None:
    """Send what is approved and due. Leaves a step only where something was sent or went wrong."""
    from rapport.campaigns.approvals import time_out_approvals
    from rapport.delivery import editions, senders

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    with warehouse.connect(url) as connection:
        time_out_approvals(connection, now)
    if run_id is None and not editions.anything_due(url, now=now):
        return
    with _recorded(url, run_id, dag, "send_due") as record:
        counts = senders.send_due(url, settings, now=now)
        record.rows_out = counts.accepted
        record.message = counts.sentence()


def pull_suppressions(dag: str, run_id: int | None, now: datetime) -> None:
    """Take over what SendGrid's suppression lists gained.

    Nothing is asked, and no step left, where mails leave another way, or in a run as of another day.

    Raises:
        ConfigurationError: there is no API key.
        SourceRefused: the API key may not read the lists.
        SourceUnavailable: SendGrid does not answer.
    """
    from rapport.audiences.recipients import RecipientKey
    from rapport.delivery.configuration import read_delivery
    from rapport.delivery.suppression_lists import pull_from_sendgrid

    settings = Settings.from_environment()
    clock = datetime.now(UTC)
    if read_delivery(settings).transport != "sendgrid" or abs(clock - now) > timedelta(days=1):
        return
    url = warehouse.ensure(settings)
    with _recorded(url, run_id, dag, "pull_suppressions") as record:
        key = RecipientKey.from_settings(settings)
        with warehouse.connect(url, autocommit=True) as connection:
            pulled = pull_from_sendgrid(connection, key, settings, clock)
        record.rows_out = sum(each.added for each in pulled)


def tidy(dag: str, run_id: int | None, now: datetime) -> str:
    """Remove what is older than its retention and what no run needs; says what that was. A step is left only
    where there was any.

    A run as of the past removes what was old then, one as of the future what is old by the clock.
    """
    from rapport.campaigns import forgetting
    from rapport.landing import retention

    settings = Settings.from_environment()
    url = warehouse.ensure(settings)
    now = min(now, datetime.now(UTC))
    with warehouse.connect(url, autocommit=True) as connection:
        if (
            not retention.anything_old(connection, settings, now)
            and not change_notes.any_needless(connection)
            and not forgetting.any_skipped_long_ago(connection, now)
        ):
            return retention.Tidied().sentence()
        with _recorded(url, run_id, dag, "tidy") as record:
            tidied = retention.tidy(connection, settings, now)
            record.message = replace(
                tidied,
                notes=change_notes.remove_needless(connection),
                skipped_messages=forgetting.forget_skipped(connection, now),
            ).sentence()
    return record.message


def send_digest(now: datetime) -> "Sent":
    """Tell those whom config/digest.yml lists what the newest run did. No step of a run: it never fails one.

    What goes wrong is told as an alarm, is in `ops.digests` and in what is returned.
    """
    from rapport.alerts import alarm
    from rapport.digest import sending

    settings = Settings.from_environment()
    try:
        with warehouse.connect(warehouse.ensure(settings), autocommit=True) as connection:
            sent = sending.send_digest(connection, settings, now)
    except Exception as error:
        # What a program's mistake says may quote data; its place is the log of whoever looks for it.
        reason = str(error) if isinstance(error, RapportError) else type(error).__name__
        sent = sending.Sent(faults=[reason])
        alarm([f"the daily digest could not be sent: {reason}"], settings.alert_webhook)
    else:
        alarm([sent.sentence()] if sent.faults else [], settings.alert_webhook)
    return sent


@contextmanager
def _recorded(url: str, run_id: int | None, dag: str, name: str) -> Iterator[StepRecord]:
    for watcher in watchers:
        watcher(dag, name, None)
    record = None
    try:
        with ledger.step(url, run_id, dag, name, _task.get()) as record:
            yield record
    finally:
        for watcher in watchers:
            if record is not None:
                watcher(dag, name, record)
