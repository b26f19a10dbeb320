"""The tickets and answers behind a figure, page by page, as the visitor's database role may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from rapport.web.pages.experience.filters import Filter

PAGE = 50


@dataclass(frozen=True)
class Measure:
    """Tickets of a count of marts.service_daily. `first` comes first: a number, the greatest of it."""

    title: str
    condition: LiteralString
    total: LiteralString
    first: LiteralString = "0"
    order: str = "the newest first"


MEASURES: Mapping[str, Measure] = {
    "opened": Measure("Tickets opened", "days.opened_count > 0", "opened_count"),
    "solved": Measure("Tickets solved", "days.solved_count > 0", "solved_count"),
    "reopened": Measure("Tickets reopened", "days.reopened_count > 0", "reopened_count"),
    "replied": Measure(
        "Tickets first replied to", "days.is_replied", "replied_count",
        "coalesce(days.first_reply_minutes, -1)", "the slowest first reply first",
    ),
    "resolved": Measure(
        "Tickets fully resolved", "days.is_resolved", "resolved_count",
        "coalesce(days.resolution_minutes, -1)", "the slowest resolution first",
    ),
    "first_contact": Measure(
        "Tickets resolved, at first contact (strict) or not",
        "days.is_first_contact_resolved is not null", "first_contact_known_count",
        "case when days.is_first_contact_resolved then 0 else 1 end", "those that took more first",
    ),
    "one_touch": Measure(
        "Tickets resolved, with one reply at most (common first contact) or more",
        "days.is_one_touch is not null", "one_touch_known_count",
        "case when days.is_one_touch then 0 else 1 end", "those with more replies first",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ticket:
    """A line of the list. `subject` is None for who may not read what customers wrote."""

    first: Decimal
    moment: datetime
    source: str
    ticket_id: str
    customer_id: str | None
    subject: str | None
    status: str
    channel: str | None
    category: str | None
    team: str | None
    opened_at: datetime | None
    resolved_at: datetime | None
    first_reply_minutes: Decimal | None
    resolution_minutes: Decimal | None
    reply_count: int | None
    csat_score: Decimal | None
    is_first_contact_resolved: bool | None

    @property
    def place(self) -> list[str]:
        """Where the next page goes on."""
        return [str(self.first), self.moment.isoformat(), self.source, self.ticket_id]


def tickets_of_days(
    connection: psycopg.Connection,
    is_masked: bool,
    measure: Measure,
    first: date,
    end: date,
    chosen: Filter,
    after: Sequence[str] | None,
) -> list[Ticket]:
    """Tickets that something happened to on a day in [first, end); one more than a page holds."""
    schema, subject = _seen(is_masked)
    query: LiteralString = f"""
        with days as (
            select
                {measure.first}::numeric as first,
                service_date::timestamp at time zone 'UTC' as moment,
                source,
                ticket_id
            from {schema}.ticket_days as days
            where
                service_date >= %(first)s and service_date < %(end)s
                and {measure.condition} {chosen.conditions}
        ),

        listed as (
            select * from days
            where true {_beyond(after)}
            order by first desc, moment desc, source desc, ticket_id desc
            limit {PAGE + 1}
        )

        {_details(schema, subject)}
    """
    return _tickets(connection, query, {"first": first, "end": end, **chosen.values, **_after(after)})


def backlog(
    connection: psycopg.Connection,
    is_masked: bool,
    day: date,
    older_than: int,
    younger_than: int | None,
    chosen: Filter,
    after: Sequence[str] | None,
) -> list[Ticket]:
    """Tickets open at the end of a day (UTC) that had been opened so many days before, the oldest first.

    `older_than` is the least number of days, `younger_than` the first that is too many; None is no limit.
    """
    schema, subject = _seen(is_masked)
    query: LiteralString = f"""
        with days as (
            select
                0::numeric - extract(epoch from first_began_at)::numeric as first,
                first_began_at as moment,
                source,
                ticket_id
            from {schema}.ticket_open_periods
            where
                tstzrange(began_at, ended_at, '(]') @> (%(day)s::date + 1)::timestamp at time zone 'UTC'
                and (first_began_at at time zone 'UTC')::date <= %(day)s::date - %(older_than)s
                and (
                    (first_began_at at time zone 'UTC')::date > %(day)s::date - %(younger_than)s::integer
                ) is not false
                {chosen.conditions}
        ),

        listed as (
            select * from days
            where true {_beyond(after)}
            order by first desc, moment desc, source desc, ticket_id desc
            limit {PAGE + 1}
        )

        {_details(schema, subject)}
    """
    values = {
        "day": day,
        "older_than": older_than,
        "younger_than": younger_than,
        **chosen.values,
        **_after(after),
    }
    return _tickets(connection, query, values)


def complaints(
    connection: psycopg.Connection,
    is_masked: bool,
    since: datetime,
    chosen: Filter,
    after: Sequence[str] | None,
) -> list[Ticket]:
    """Tickets opened since a moment, as marts.pain_points counts them; the newest first."""
    schema, subject = _seen(is_masked)
    query: LiteralString = f"""
        with days as (
            select 0::numeric as first, coalesce(opened_at, updated_at) as moment, source, ticket_id
            from {schema}.tickets
            where coalesce(opened_at, updated_at) >= %(since)s {chosen.conditions}
        ),

        listed as (
            select * from days
            where true {_beyond(after)}
            order by moment desc, source desc, ticket_id desc
            limit {PAGE + 1}
        )

        {_details(schema, subject)}
    """
    return _tickets(connection, query, {"since": since, **chosen.values, **_after(after)})


def total(connection: psycopg.Connection, measure: Measure, first: date, end: date, chosen: Filter) -> int:
    """What marts.service_daily counts of a measure on the days in [first, end)."""
    query: LiteralString = f"""
        select coalesce(sum({measure.total}), 0)::bigint from marts.service_daily
        where service_date >= %(first)s and service_date < %(end)s {chosen.conditions}
    """
    row = connection.execute(query, {"first": first, "end": end, **chosen.values}).fetchone()
    return row[0] if row is not None else 0


@dataclass(frozen=True)
class Answer:
    """A line of the list. `comment` is None for who may not read what customers wrote."""

    answered_at: datetime
    source: str
    kind: str
    record_id: str
    customer_id: str | None
    metric: str
    score: Decimal
    opinion: str
    channel: str | None
    category: str | None
    team: str | None
    comment: str | None

    @property
    def place(self) -> list[str]:
        """Where the next page goes on."""
        return [self.answered_at.isoformat(), self.source, self.kind, self.record_id]


def answers(
    connection: psycopg.Connection,
    is_masked: bool,
    metric: str,
    since: datetime,
    before: datetime,
    opinion: str | None,
    chosen: Filter,
    after: Sequence[str] | None,
) -> list[Answer]:
    """Answers in [since, before), of one opinion (good, middling, bad) if it is given; the newest first."""
    schema = _seen(is_masked)[0]
    comment: LiteralString = (
        "null::text"
        if is_masked
        else """(
            select responses.comment from marts.survey_responses as responses
            where
                listed.kind = 'survey'
                and responses.source = listed.source and responses.response_id = listed.record_id
        )"""
    )
    beyond: LiteralString = (
        """
        and (answered_at, source, kind, record_id)
        < (%(after_0)s::timestamptz, %(after_1)s, %(after_2)s, %(after_3)s)
        """
        if after
        else ""
    )
    query: LiteralString = f"""
        with listed as (
            select * from {schema}.answers
            where
                metric = %(metric)s and answered_at >= %(since)s and answered_at < %(before)s
                and (%(opinion)s::text is null or opinion = %(opinion)s) {chosen.conditions} {beyond}
            order by answered_at desc, source desc, kind desc, record_id desc
            limit {PAGE + 1}
        )

        select
            answered_at, source, kind, record_id, customer_id, metric, score, opinion, channel, category,
            team, {comment} as comment
        from listed
        order by answered_at desc, source desc, kind desc, record_id desc
    """
    values = {"metric": metric, "since": since, "before": before, "opinion": opinion}
    with connection.cursor(row_factory=class_row(Answer)) as cursor:
        return cursor.execute(query, {**values, **chosen.values, **_after(after)}).fetchall()


def _seen(is_masked: bool) -> tuple[LiteralString, LiteralString]:
    """The schema that the visitor's database role reads, and the subject in it."""
    return ("reporting", "null::text") if is_masked else ("marts", "tickets.subject")


def _details(schema: LiteralString, subject: LiteralString) -> LiteralString:
    """The tickets of `listed`, looked up one by one: a join would read all tickets."""
    return f"""
        select listed.first, listed.moment, listed.source, listed.ticket_id, details.*
        from listed
        cross join lateral (
            select
                customer_id, {subject} as subject, status, channel, category, team, opened_at, resolved_at,
                first_reply_minutes, resolution_minutes, reply_count, csat_score,
                is_first_contact_resolved
            from {schema}.tickets
            where tickets.source = listed.source and tickets.ticket_id = listed.ticket_id
            limit 1
        ) as details
        order by listed.first desc, listed.moment desc, listed.source desc, listed.ticket_id desc
    """


def _beyond(after: Sequence[str] | None) -> LiteralString:
    if not after:
        return ""
    return """
        and (first, moment, source, ticket_id)
        < (%(after_0)s::numeric, %(after_1)s::timestamptz, %(after_2)s, %(after_3)s)
    """


def _after(after: Sequence[str] | None) -> dict[str, str]:
    return {f"after_{place}": value for place, value in enumerate(after or ())}


def _tickets(connection: psycopg.Connection, query: LiteralString, values: dict[str, Any]) -> list[Ticket]:
    with connection.cursor(row_factory=class_row(Ticket)) as cursor:
        return cursor.execute(query, values).fetchall()
