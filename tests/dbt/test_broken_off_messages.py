"""A run that was broken off told of an edition: the next one tells it to all that is built on it."""

from datetime import UTC, datetime

import built_in_steps
import parcels
import pytest
from built_in_steps import Delivery

from chosen_postgres import a_warehouse
from rapport.embedded_postgres import EmbeddedPostgres
from rapport.settings import PROJECT, Settings

TABLE = "int_message_conversions"

# Within the window of the edition, before her mail was sent.
BOUGHT = {
    "order_id": "1",
    "line_id": "1",
    "email": "ann@home.example",
    "ordered_at": "2026-06-01 12:00+00",
    "quantity": 1,
}
PLANNED = (
    """
insert into activation.editions (
    edition_id, campaign, slot_at, due_at, run_id, state, edition_hash, specification
)
values ('e', 'spring', '2026-06-01', '2026-06-01 09:00+00', 1, 'sending', 'h', '{}')
""",
    """
insert into activation.messages (
    message_id, edition_id, campaign, customer_id, recipient_key, state, due_at, expires_at
)
values (gen_random_uuid(), 'e', 'spring', 'ann', 'k', 'planned', '2026-06-01 09:00+00', '2026-06-03')
""",
)
SENT = (
    """
update activation.messages set state = 'accepted', accepted_at = '2026-06-02 10:00+00'
""",
    """
update activation.editions set state = 'done'
""",
)


def test_a_message_sent_before_a_run_that_was_broken_off_is_measured_by_the_next(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    days = [datetime(2026, 6, day, tzinfo=UTC) for day in (2, 3, 4)]
    with a_warehouse(postgres, template) as url:
        settings = Settings(tmp_path_factory.mktemp("messages"), PROJECT / "config", url, None, None)
        built_in_steps.build(
            settings,
            # What has changed since the last view is asked of kinds of events, too.
            [f"+{TABLE}", "+int_edition_days", "+int_ticket_event_kinds"],
            [
                Delivery(
                    days[0],
                    {"order_lines": [BOUGHT]},
                    owners={("email", "", "ann@home.example"): "ann"},
                    statements=PLANNED,
                ),
                Delivery(days[1], statements=SENT, unfinished=[TABLE]),
                Delivery(days[2]),
            ],
        )
        measured = parcels.tables(url, ["intermediate"])[f"intermediate.{TABLE}"]

    assert len(measured) == 1
