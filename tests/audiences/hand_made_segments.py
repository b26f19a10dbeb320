"""Segments made by hand: views of a few names, recorded on days of one's choosing."""

from datetime import UTC, datetime, timedelta

import psycopg

from rapport import ledger
from rapport.audiences.memberships import record_memberships

Membership = tuple[str, int, int | None]


class Shop:
    """A warehouse whose segment views are made by hand; times are days."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sizes: dict[str, int] = {}
        self.day = 0

    def view(self, segment: str, body: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(f'drop view if exists segments."{segment}"'.encode())
            connection.execute(f'create view segments."{segment}" as {body}'.encode())

    def segment(self, name: str, *members: str, reason: str = "because") -> None:
        rows = ", ".join(f"('{member}', '{reason}')" for member in members)
        source = f"(values {rows})" if rows else "(select null::text, null::text where false)"
        self.view(name, f"select * from {source} as rows (customer_id, reason)")

    def run(self, day: int, *segments: str) -> None:
        if day != self.day:
            opened = ledger.open_run(self.url, as_of=at(day), config="", is_rebuild=day < self.day)
            self.newest = ledger.fix_batches(self.url, opened.run_id, view="")
            ledger.close_run(self.url, opened.run_id)
        self.day = day
        self.sizes = record_memberships(self.url, self.newest, segments)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def merge(self, old: str, new: str) -> None:
        with psycopg.connect(self.url) as connection:
            for customer in (old, new):
                connection.execute(
                    """
                    insert into identity.customers values (%s, 'email', '', %s, 1, now(), %s)
                    on conflict do nothing
                    """,
                    [customer, customer, self.newest.run_id],
                )
            connection.execute(
                "insert into identity.merges values (%s, %s, %s)", [old, new, self.newest.run_id]
            )

    @property
    def memberships(self) -> list[Membership]:
        """Customer, day entered, day left."""
        return [
            (str(customer), day_of(entered), day_of(left) if left is not None else None)
            for customer, entered, left in self.rows(
                "select customer_id, entered_at, left_at from segments.memberships order by 1, 2"
            )
        ]

    @property
    def members(self) -> list[tuple[object, ...]]:
        return self.rows("select segment, customer_id, reason from segments.members order by 1, 2")


def at(day: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


def day_of(moment: object) -> int:
    assert isinstance(moment, datetime)
    return (moment - at(0)).days
