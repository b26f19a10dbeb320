"""`rapport suppressions import`: the opt-outs of the tool that sent mails before."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import psycopg

from rapport.audiences.recipients import RecipientKey
from rapport.errors import InputError

COLUMNS = ("address", "topic", "time", "reason")
ALSO_ADDRESS = ("email", "e-mail", "email address", "email_address")
LONGEST_REASON = 200


@dataclass
class Imported:
    """What an import did. `wrong` says of each row that was left out where it is and why; it quotes none."""

    rows: int = 0
    added: int = 0
    wrong: list[str] = field(default_factory=list)


class _OptOut(NamedTuple):
    recipient_key: str
    topic: str
    at: datetime | None
    reason: str | None


def import_opt_outs(connection: psycopg.Connection, key: RecipientKey, file: Path, now: datetime) -> Imported:
    """Suppress the addresses of a CSV file with the column `address`, and topic, time, reason if it has them.

    Without a topic somebody gets no mail at all; without a time they said so `now`, or when the row was first
    imported. Importing a file again changes nothing. Rows that are wrong are left out and named.

    Raises:
        InputError: the file is no CSV file in UTF-8, or has no column `address`.
        RecipientKeyChanged: this is not the key that the warehouse's recipients were made with.
    """
    key.verify(connection)
    done = Imported()
    with connection.transaction():
        connection.execute(
            """
            create temp table opt_outs (
                recipient_key text, topic text, suppressed_at timestamptz, reason text
            ) on commit drop
            """
        )
        with connection.cursor().copy("copy opt_outs from stdin") as copy:
            for opt_out in _read(file, key, now, done):
                copy.write_row(opt_out)
        done.added = connection.execute(
            """
            insert into activation.suppressions (recipient_key, topic, reason, suppressed_at, detail)
            select distinct on (recipient_key, topic, coalesce(suppressed_at, %(now)s))
                recipient_key,
                topic,
                'imported',
                coalesce(suppressed_at, %(now)s),
                reason
            from opt_outs
            where
                suppressed_at is not null
                or not exists (
                    select from activation.suppressions as known
                    where
                        known.recipient_key = opt_outs.recipient_key
                        and known.topic = opt_outs.topic
                        and known.reason = 'imported'
                )
            order by recipient_key, topic, coalesce(suppressed_at, %(now)s), reason
            on conflict do nothing
            """,
            {"now": now},
        ).rowcount
    return done


def _read(file: Path, key: RecipientKey, now: datetime, done: Imported) -> Iterator[_OptOut]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.reader(opened, delimiter=_delimiter(opened.readline()))
            opened.seek(0)
            places = _places(file, next(rows, []))
            for row in rows:
                if not any(row):
                    continue
                done.rows += 1
                values = {name: row[place].strip() for name, place in places.items() if place < len(row)}
                if (fault := _fault(values, now)) is not None:
                    done.wrong.append(f"{file.name}, line {rows.line_num}: {fault}")
                    continue
                yield _OptOut(
                    key.key_of(values["address"]),
                    values.get("topic") or "all",
                    _moment(values.get("time", "")),
                    values.get("reason", "").replace("\0", "")[:LONGEST_REASON] or None,
                )
    except FileNotFoundError:
        raise InputError(f"{file} is not there") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text; save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{file} is no CSV file: {error}") from None


def _places(file: Path, header: list[str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    places = {"address" if name in ALSO_ADDRESS else name: place for place, name in enumerate(names)}
    if "address" not in places:
        near = get_close_matches("address", names, n=1)
        hint = f"; is it {near[0]}?" if near else f"; it has {', '.join(names) or 'none'}"
        raise InputError(f"{file} has no column called address{hint}")
    return {name: places[name] for name in COLUMNS if name in places}


def _fault(values: dict[str, str], now: datetime) -> str | None:
    local, at, domain = values.get("address", "").rpartition("@")
    if not (local and at and domain) or any(c.isspace() or not c.isprintable() for c in local + domain):
        return "there is no e-mail address"
    if not values.get("topic", "").isprintable():
        return "the topic is no word"
    try:
        moment = _moment(values.get("time", ""))
    except (ValueError, OverflowError):
        return "the time is none; it looks like 2026-07-01 or 2026-07-01T06:00:00Z"
    if moment is not None and moment > now:
        return "the time lies in the future"
    return None


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
