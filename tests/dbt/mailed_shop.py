"""The generated shop after it has sent the mails of three campaigns, brought up to date twice meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import parcels
from campaign_rows import DAY, Maker

from chosen_postgres import a_warehouse
from rapport import warehouse
from rapport.demo.shop import END
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings

AS_OF = END + 2 * DAY


@contextmanager
def mailed(shop: parcels.BuiltShop, postgres: EmbeddedPostgres, home: Path) -> Iterator[str]:
    """The URL of a copy of the shop that has sent them."""
    with a_warehouse(postgres, shop.url.rpartition("/")[2]) as url:
        with parcels.Building(Settings(home, PROJECT / "config", url, None, None)) as building:
            _send(url, building)
        yield url


def _send(url: str, building: parcels.Building) -> None:
    with warehouse.connect(url) as connection:
        people = [one for (one,) in connection.execute("select customer_id from marts.customers order by 1")]
        last_run = connection.execute("select max(run_id) from ops.runs").fetchone()
        assert last_run is not None
        make = Maker(people, last_run[0], seed=3)
        first = [
            make.edition("letter", END - 120 * DAY),
            make.edition("letter", END - 113 * DAY),
            make.edition("win_back", END - 60 * DAY),
            make.edition("path", END - 40 * DAY, step="one"),
            make.edition("letter", END - 10 * DAY, state="sending"),
            make.edition("letter", END - 3 * DAY, state="held", is_sent=False),
        ]
        for rows in first:
            late = [event for event in rows.events if event["event"] in ("clicked", "unsubscribed")]
            rows.events = [event for event in rows.events if event not in late]
            rows.insert(connection)
            rows.events = late
        # Somebody from before the first run, who turned out to be a customer of today.
        doubled = first[2].arms[0]["customer_id"]
        connection.execute(
            """
            insert into identity.customers
            select 'c_00000000000000000000', kind, source, 'old ' || value, first_batch_id, first_seen_at,
                created_run_id
            from identity.customers where customer_id = %s
            """,
            [doubled],
        )
        connection.execute(
            "insert into identity.merges values ('c_00000000000000000000', %s, %s)", [doubled, last_run[0]]
        )
    building.build(END + DAY)
    with warehouse.connect(url) as connection:
        second = [
            make.edition("letter", END + DAY / 2),
            make.edition("path", END - 37 * DAY, step="two"),
            make.edition("win_back", END - 2 * DAY, state="cancelled", is_sent=False),
            make.edition("letter", END + 5 * DAY),
        ]
        for rows in [*second, *first]:
            rows.insert(connection)
        # What was under way is known by now; the merged customer had been given the other arm.
        connection.execute(
            """
            update activation.messages set state = 'accepted', accepted_at = %s
            where state in ('uncertain', 'unknown') and campaign = 'win_back'
            """,
            [END + DAY],
        )
        connection.execute(
            """
            insert into activation.arms (campaign, recipient_key, customer_id, arm, edition_id, due_at)
            select campaign, 'old key', 'c_00000000000000000000',
                case arm when 'holdout' then 'treatment' else 'holdout' end, edition_id, due_at
            from activation.arms where customer_id = %s and campaign = 'win_back'
            """,
            [doubled],
        )
        connection.execute(
            """
            insert into activation.arms (campaign, recipient_key, customer_id, arm, edition_id, due_at)
            select '*', recipient_key, customer_id, arm, edition_id, due_at
            from activation.arms where campaign = 'letter'
            """
        )
    building.build(AS_OF)
