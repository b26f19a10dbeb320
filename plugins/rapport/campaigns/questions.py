"""What Airflow asks a person about an edition: counts, reasons and a link, nothing of anybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.rows import dict_row

from rapport.campaigns.reasons import REASONS


@dataclass(frozen=True)
class Question:
    """Whether an edition may be sent as it was planned under `edition_hash`. `body` is Markdown.

    `seconds` are left to answer it.
    """

    edition_id: str
    edition_hash: str
    subject: str
    body: str
    seconds: float


def open_questions(
    connection: psycopg.Connection, editions: Sequence[str] | None, now: datetime, airflow: str = ""
) -> list[Question]:
    """The questions about editions that await approval and can still be approved.

    Args:
        editions: about these only; None: about all.
        airflow: its address, where the pages are; without one the links are below the root.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """
            select
                edition_id, campaign, edition_hash, due_at, plan,
                least(editions.planned_at, runs.as_of)
                + (specification #>> '{campaign,approval_within}')::interval as approve_by
            from activation.editions
            inner join ops.runs using (run_id)
            where
                editions.state = 'awaiting_approval'
                and (%(editions)s::text[] is null or edition_id = any(%(editions)s::text[]))
            order by edition_id
            """,
            {"editions": list(editions) if editions is not None else None},
        ).fetchall()
    return [
        Question(
            row["edition_id"],
            row["edition_hash"],
            f"Send {row['edition_id']} to {row['plan']['planned']:,} people?",
            _body(row, airflow.rstrip("/")),
            (row["approve_by"] - now).total_seconds(),
        )
        for row in rows
        if row["approve_by"] > now
    ]


def _body(row: dict[str, Any], airflow: str) -> str:
    plan, last = row["plan"], row["plan"]["difference"]
    name = row["edition_id"].removeprefix(f"{row['campaign']}/")
    page = f"{airflow}/rapport/campaigns/{quote(row['campaign'], safe='')}/editions/{quote(name, safe=':/')}"
    reasons = sorted(plan["counts"].items(), key=lambda counted: (-counted[1], counted[0]))
    lines = [
        f"**{plan['planned']:,}** of {plan['considered']:,} people get a mail, "
        f"the first at {row['due_at']:%Y-%m-%d %H:%M} UTC.",
        *(
            [f"- Against {last['edition_id']}: {last['entered']:,} are new, {last['left']:,} gone"]
            if last
            else []
        ),
        *(f"- {count:,} get none: {REASONS.get(reason, reason)}" for reason, count in reasons),
        *(
            f"- To be mended: {check['name']}: {check['detail']}"
            for check in plan["checks"]
            if not check["is_ok"]
        ),
        f"[What they get, and what changed since the last edition]({page})",
        f"Without an answer by {row['approve_by']:%Y-%m-%d %H:%M} UTC nothing is sent.",
    ]
    return "\n\n".join(lines)
