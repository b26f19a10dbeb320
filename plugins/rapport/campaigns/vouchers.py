"""Pools of voucher codes, of which a campaign's message takes one each. Planning takes them."""

from dataclasses import dataclass
from pathlib import Path

import psycopg

from rapport.errors import InputError

LONGEST = 100  # characters of a code


@dataclass(frozen=True)
class Imported:
    """What an import did, in codes."""

    added: int
    known: int


@dataclass(frozen=True)
class Pool:
    """A pool, in codes."""

    pool: str
    free: int
    taken: int


def read_codes(path: Path) -> list[str]:
    """The codes of a text file, one a line; blank lines are passed over.

    Raises:
        InputError: the file cannot be read, or a line is no code; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text: {error}") from None
    codes = []
    for number, line in enumerate(lines, 1):
        code = line.strip()
        if len(code) > LONGEST or any(
            character.isspace() or not character.isprintable() for character in code
        ):
            raise InputError(
                f"{path.name}, line {number}: a code is one word of at most {LONGEST} characters; "
                "write one code a line and nothing else"
            )
        if code:
            codes.append(code)
    return codes


def import_codes(connection: psycopg.Connection, pool: str, codes: list[str]) -> Imported:
    """Add codes to a pool; those that it has or had already are left as they are."""
    added = connection.execute(
        """
        insert into activation.vouchers (pool, code)
        select distinct %s, code from unnest(%s::text[]) as codes (code)
        on conflict do nothing
        """,
        [pool, codes],
    ).rowcount
    return Imported(added, len(codes) - added)


def pools(connection: psycopg.Connection) -> list[Pool]:
    """All pools by name."""
    rows = connection.execute(
        """
        select pool, count(*) filter (where message_id is null), count(message_id)
        from activation.vouchers
        group by pool
        order by pool
        """
    ).fetchall()
    return [Pool(*row) for row in rows]
