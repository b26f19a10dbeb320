"""The charts of experience and service; each point opens the answers or tickets behind it."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from rapport.web.drawing import Chart, Series
from rapport.web.pages.experience.answers import METRICS, UNITS, Said
from rapport.web.pages.experience.filters import Filter
from rapport.web.pages.experience.intervals import share_interval
from rapport.web.pages.experience.service import Served, Times
from rapport.web.periods import Period

HOUR = 60
# Tickets; median and slowest tenth, of the calendar and of business, in minutes.
Spans = tuple[int, Decimal | None, Decimal | None, Decimal | None, Decimal | None]


def answer_figures(
    periods: Sequence[Period], found: Mapping[tuple[str, date], Said]
) -> list[tuple[str, str, Period, Said | None]]:
    """By metric: its name, its unit, and the last whole period with what was said in it."""
    whole = [period for period in periods if period.is_over]
    return [
        (METRICS[metric], UNITS[metric], whole[-1], found.get((metric, whole[-1].start)))
        for metric in METRICS
        if whole
    ]


def answer_charts(
    periods: Sequence[Period], found: Mapping[tuple[str, date], Said], chosen: Filter, root: str
) -> list[Chart]:
    """A line with its band a metric that anybody answered."""
    charts = []
    for metric, name in METRICS.items():
        rows = [found.get((metric, period.start)) for period in periods]
        if not any(rows):
            continue
        scores = [row.score if row is not None else None for row in rows]
        charts.append(
            Chart(
                f"{name}, with 95 % intervals",
                [period.label for period in periods],
                [
                    Series(
                        name,
                        [None if score is None else score.estimate for score in scores],
                        [None if score is None else score.low for score in scores],
                        [None if score is None else score.high for score in scores],
                        notes=[_counted(row.answers if row else 0, "answer") for row in rows],
                    )
                ],
                unit=UNITS[metric],
                links=[
                    chosen.address(root, "/answers", metric=metric, since=period.start, until=period.end)
                    for period in periods
                ],
                is_partial=not periods[-1].is_over,
            )
        )
    return charts


def service_charts(
    periods: Sequence[Period],
    served: Mapping[date, Served],
    times: Mapping[date, Times],
    last_day: date,
    chosen: Filter,
    root: str,
) -> dict[str, Chart]:
    """By name: first contacts, replies and resolutions, tickets that came and went, the backlog by age."""
    labels = [period.label for period in periods]
    is_partial = not periods[-1].is_over
    rows = [served.get(period.start) for period in periods]

    def counts(part: str, known: str) -> list[tuple[int, int]]:
        return [(getattr(row, part), getattr(row, known)) if row else (0, 0) for row in rows]

    def links(measure: str) -> list[str]:
        return [
            chosen.address(root, "/tickets", measure=measure, since=period.start, until=period.end)
            for period in periods
        ]

    return {
        "first_contact": Chart(
            "First-contact resolution, with 95 % intervals",
            labels,
            [
                _shares("Strict", counts("first_contact", "first_contact_known"), links("first_contact")),
                _shares("Common", counts("one_touch", "one_touch_known"), links("one_touch")),
            ],
            unit="%", is_partial=is_partial,
        ),
        "replies": _times_chart(
            "First reply, median", periods, [_reply(times.get(period.start)) for period in periods],
            links("replied"), is_partial,
        ),
        "resolutions": _times_chart(
            "Full resolution, median", periods, [_resolution(times.get(period.start)) for period in periods],
            links("resolved"), is_partial,
        ),
        "flow": Chart(
            "Tickets opened and solved", labels,
            [
                Series("Opened", [row.opened if row else 0 for row in rows], links=links("opened")),
                Series("Solved", [row.solved if row else 0 for row in rows], links=links("solved")),
                Series("Reopened", [row.reopened if row else 0 for row in rows], links=links("reopened")),
            ],
            kind="bar", is_partial=is_partial,
        ),
        "backlog": Chart(
            "Open at the end, by age", [_at_end(period, last_day) for period in periods],
            [
                Series("Opened that day", [row.backlog - row.over_1_day if row else 0 for row in rows],
                       links=_backlog(periods, last_day, chosen, root, 0, 1)),
                Series("1 to 6 days", [row.over_1_day - row.over_7_days if row else 0 for row in rows],
                       links=_backlog(periods, last_day, chosen, root, 1, 7)),
                Series("7 to 29 days", [row.over_7_days - row.over_30_days if row else 0 for row in rows],
                       links=_backlog(periods, last_day, chosen, root, 7, 30)),
                Series("30 days and more", [row.over_30_days if row else 0 for row in rows],
                       links=_backlog(periods, last_day, chosen, root, 30, None)),
            ],
            kind="bar", is_stacked=True, is_partial=is_partial,
        ),
    }  # fmt: skip


def _backlog(
    periods: Sequence[Period],
    last_day: date,
    chosen: Filter,
    root: str,
    older_than: int,
    younger_than: int | None,
) -> list[str]:
    """The tickets that were open at the end of each period and that old."""
    return [
        chosen.address(
            root,
            "/tickets",
            measure="backlog",
            since=_last_day(period, last_day),
            older_than=older_than or None,
            younger_than=younger_than,
        )
        for period in periods
    ]


def _last_day(period: Period, last_day: date) -> date:
    return min(period.end - timedelta(days=1), last_day)


def _at_end(period: Period, last_day: date) -> str:
    day = _last_day(period, last_day)
    return f"{day.day} {day:%b %Y}"


def _shares(name: str, counts: Sequence[tuple[int, int]], links: Sequence[str]) -> Series:
    found = [share_interval(*pair) if pair[1] else None for pair in counts]
    return Series(
        name,
        [None if one is None else one.estimate for one in found],
        [None if one is None else one.low for one in found],
        [None if one is None else one.high for one in found],
        notes=[f"of {_counted(known, 'ticket')}" for _, known in counts],
        links=links,
    )


def _times_chart(
    title: str,
    periods: Sequence[Period],
    rows: Sequence[Spans],
    links: Sequence[str],
    is_partial: bool,
) -> Chart:
    def line(name: str, at: int) -> Series:
        notes = [
            f"slowest tenth {slowest / HOUR:,.1f} h or more, {_counted(row[0], 'ticket')}"
            if (slowest := row[at + 1]) is not None
            else ""
            for row in rows
        ]
        values = [None if (minutes := row[at]) is None else float(minutes) / HOUR for row in rows]
        return Series(name, values, notes=notes, links=links)

    labels = [period.label for period in periods]
    series = [line("Hours", 1), line("Business hours", 3)]
    return Chart(title, labels, series, unit="h", places=1, is_partial=is_partial, from_zero=True)


def _reply(row: Times | None) -> Spans:
    if row is None:
        return 0, None, None, None, None
    return row.replies, row.reply, row.reply_slowest, row.business_reply, row.business_reply_slowest


def _resolution(row: Times | None) -> Spans:
    if row is None:
        return 0, None, None, None, None
    return (
        row.resolutions,
        row.resolution,
        row.resolution_slowest,
        row.business_resolution,
        row.business_resolution_slowest,
    )


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
