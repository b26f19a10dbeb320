"""What an answer of SendGrid, or none, means for the mails that it is about."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from urllib3 import HTTPHeaderDict

from delivery.live_shop import LiveShop
from delivery.unsubscribe_host import unsubscribe_host
from rapport.delivery.fake_sendgrid import Fault
from rapport.delivery.transports import sendgrid_client
from rapport.delivery.transports.sendgrid import answer_of
from rapport.delivery.transports.sendgrid_client import PooledResponse

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def by_shape(live: LiveShop) -> LiveShop:
    live.configure(render="shape")
    return live


@pytest.mark.parametrize("render", ["single", "shape"])
def test_202_accepts(live: LiveShop, render: str) -> None:
    live.configure(render=render)
    live.people(50)
    counts = live.send()
    assert (counts.accepted, counts.returned, counts.uncertain) == (50, 0, 0)
    assert live.states() == {"accepted": 50}
    assert len(live.accepted()) == len(set(live.accepted())) == 50
    assert live.edition() == ("done", None)
    attempts = live.shop.execute("select messages, outcome, status, provider_id from activation.attempts")
    assert len(attempts) == (50 if render == "single" else 1)
    assert {(outcome, status) for _, outcome, status, _ in attempts} == {("accepted", 202)}
    assert all(provider_id for *_, provider_id in attempts)
    assert live.send().accepted == 0


def test_messages_carry_their_own_id_and_that_of_their_attempt(by_shape: LiveShop) -> None:
    by_shape.people(30)
    by_shape.send()
    noted = {
        (str(message_id), str(attempt_id))
        for message_id, attempt_id in by_shape.shop.execute(
            "select message_id, attempt_id from activation.messages"
        )
    }
    assert {(mail.message_id, mail.attempt_id) for mail in by_shape.fake.log()} == noted


def test_a_400_that_names_a_recipient_rejects_that_one_alone(by_shape: LiveShop) -> None:
    by_shape.people(50)
    by_shape.fake.set_faults(Fault("named", recipients=r"^c(7|31)@"))
    counts = by_shape.send()
    assert (counts.accepted, counts.rejected) == (48, 2)
    assert by_shape.states() == {"accepted": 48, "rejected": 2}
    assert sorted(
        by_shape.shop.execute(
            "select customer_id, state_reason from activation.messages where state = 'rejected'"
        )
    ) == [("c31", "refused: 400"), ("c7", "refused: 400")]
    assert by_shape.outcomes() == ["divided", "accepted"]
    assert by_shape.edition() == ("done", None)


def test_a_400_that_names_nobody_is_divided_until_it_is_found(by_shape: LiveShop) -> None:
    by_shape.people(100)
    by_shape.fake.set_faults(Fault("unnamed", recipients="^c42@"))
    counts = by_shape.send()
    assert (counts.accepted, counts.rejected) == (99, 1)
    assert by_shape.states() == {"accepted": 99, "rejected": 1}
    assert len(by_shape.accepted()) == len(set(by_shape.accepted())) == 99
    assert "c42@mail.example" not in by_shape.accepted()
    assert len(by_shape.fake.requests()) <= 20
    parents = by_shape.shop.execute(
        """
        select count(*) from activation.attempts as part
        inner join activation.attempts as whole on part.parent_id = whole.attempt_id
        where whole.outcome = 'divided'
        """
    )
    assert parents == [(len(by_shape.fake.requests()) - 1,)]


def test_two_halves_that_fail_alike_hold_the_campaign(by_shape: LiveShop) -> None:
    by_shape.people(100)
    by_shape.fake.set_faults(Fault("unnamed"))
    assert by_shape.send().returned == 100
    assert by_shape.states() == {"planned": 100}
    assert len(by_shape.fake.requests()) == 3
    assert by_shape.edition() == ("held", "sending: 400 Bad Request")
    assert by_shape.accepted() == []


def test_a_chunk_of_lone_mails_that_all_fail_alike_holds_the_campaign(live: LiveShop) -> None:
    live.people(40)
    live.fake.set_faults(Fault("unnamed"))
    live.send()
    assert live.states() == {"planned": 40}
    assert live.edition() == ("held", "sending: 400 Bad Request")


def test_a_lone_mail_that_fails_among_others_is_rejected(live: LiveShop) -> None:
    live.people(40)
    live.fake.set_faults(Fault("unnamed", recipients="^c9@"))
    live.send()
    assert live.states() == {"accepted": 39, "rejected": 1}


def test_after_twenty_requests_a_chunk_is_put_back_and_the_campaign_held(by_shape: LiveShop) -> None:
    by_shape.people(400)
    # Many, but not in the first of each half, so that no two halves fail alike at once.
    by_shape.fake.set_faults(Fault("too_large", more_than=2))
    by_shape.send()
    assert len(by_shape.fake.requests()) == 20
    states = by_shape.states()
    assert states["accepted"] == len(by_shape.accepted()) > 0
    assert states["planned"] == 400 - states["accepted"]
    assert by_shape.edition() == ("held", "sending: 20 requests did not show which mails are refused")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 415])
def test_a_refusal_of_all_puts_the_chunk_back_and_holds_the_campaign_at_the_first(
    by_shape: LiveShop, status: int
) -> None:
    by_shape.people(60)
    by_shape.fake.set_faults(Fault("status", status=status))
    by_shape.send()
    assert by_shape.states() == {"planned": 60}
    assert len(by_shape.fake.requests()) == 1
    state, reason = by_shape.edition()
    assert state == "held"
    assert reason is not None
    assert reason.startswith(f"sending: {status} ")
    # Mended, a person resumes it, and nothing was lost.
    by_shape.fake.set_faults()
    assert by_shape.send().accepted == 0
    by_shape.resume()
    assert by_shape.send().accepted == 60
    assert len(set(by_shape.accepted())) == 60


def test_a_refused_key_stops_lone_mails_after_those_under_way(live: LiveShop) -> None:
    live.people(200)
    live.fake.set_faults(Fault("status", status=401))
    live.send()
    assert live.states() == {"planned": 200}
    assert len(live.fake.requests()) <= 32


def test_413_divides(by_shape: LiveShop) -> None:
    by_shape.people(100)
    by_shape.fake.set_faults(Fault("too_large", more_than=30))
    assert by_shape.send().accepted == 100
    assert by_shape.states() == {"accepted": 100}
    assert len(by_shape.accepted()) == 100


def test_429_waits_for_the_reset_that_all_senders_heed(by_shape: LiveShop) -> None:
    by_shape.people(30)
    by_shape.fake.set_faults(Fault("rate_limit", seconds=2, times=1))
    by_shape.send()
    by_shape.send()
    answers = [(asked.status, asked.at) for asked in by_shape.fake.requests()]
    assert [status for status, _ in answers] == [429, 202]
    assert answers[1][1] - answers[0][1] >= 2
    assert by_shape.states() == {"accepted": 30}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500),
        Fault("status", status=503, after_accepting=True),
        Fault("proxy_page", status=502),
        Fault("proxy_page", status=403),
        Fault("proxy_page", status=408, after_accepting=True),
        Fault("reset"),
        Fault("reset", after_accepting=True),
        Fault("silence", after_accepting=True),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {'after' if fault.after_accepting else 'before'}",
)
def test_what_nobody_knows_is_uncertain_and_is_not_sent_again(
    by_shape: LiveShop, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendgrid_client, "ANSWERED_BY", 1.0)
    by_shape.people(30)
    by_shape.fake.set_faults(fault)
    assert by_shape.send().uncertain == 30
    by_shape.fake.set_faults()
    assert by_shape.send().accepted == 0
    assert by_shape.states() == {"uncertain": 30}
    assert len(by_shape.accepted()) == (30 if fault.after_accepting else 0)
    assert by_shape.edition() == ("done", None)


def test_a_server_that_is_not_there_leaves_all_planned(live: LiveShop) -> None:
    live.people(5)
    live.shop.write("delivery.yml", "transport: sendgrid\nsendgrid: {host: 'http://127.0.0.1:9'}")
    live.send()
    assert live.states() == {"planned": 5}
    assert live.edition()[0] == "sending"


def test_a_server_whose_certificate_nobody_knows_holds_the_campaign(live: LiveShop, tmp_path: Path) -> None:
    live.people(5)
    with unsubscribe_host(tmp_path) as host:
        live.shop.write(
            "delivery.yml", f"transport: sendgrid\nsendgrid: {{host: '{host.url.removesuffix('/u')}'}}"
        )
        live.send()
    assert live.states() == {"planned": 5}
    assert live.edition() == ("held", "sending: the server's certificate is none that this machine trusts")


def test_five_requests_in_a_row_without_an_answer_hold_the_campaign(live: LiveShop) -> None:
    live.people(100)
    live.fake.set_faults(Fault("proxy_page", status=502))
    live.send()
    state, reason = live.edition()
    assert state == "held"
    assert reason is not None
    assert reason.endswith("requests in a row got no answer that says what became of them")
    assert live.states()["planned"] > 0


def test_one_mail_with_a_wrong_sender_holds_the_campaign(by_shape: LiveShop) -> None:
    by_shape.people(30)
    by_shape.shop.execute(
        """
        update activation.editions
        set specification = jsonb_set(specification, '{sender,name}', '"x"')
        """
    )
    by_shape.fake.set_faults(Fault("status", status=403))
    by_shape.send()
    assert by_shape.states() == {"planned": 30}


class Said(PooledResponse):
    """An answer as SendGrid gives it."""

    def __init__(self, status: int, errors: list[dict[str, str]], **headers: str) -> None:
        self.status, self.headers = status, HTTPHeaderDict(headers)
        self._body = orjson.dumps({"errors": errors})


def test_a_400_that_names_none_of_the_mails_names_nobody() -> None:
    field = "personalizations.3.to.0.email"
    answer = answer_of(Said(400, [{"message": "odd", "field": field}]), 3, NOW)
    assert (answer.kind, answer.rejected) == ("divide", [])
    assert answer_of(Said(400, [{"message": "odd", "field": field}]), 4, NOW).rejected == [3]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 20)}, 20),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) - 20)}, 1),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 86_400)}, 3600),
        ({"X-RateLimit-Reset": "soon"}, 60),
        ({"Retry-After": "30"}, 30),
        ({}, 60),
    ],
)
def test_a_429_is_believed_within_reason(headers: dict[str, str], seconds: int) -> None:
    answer = answer_of(Said(429, [{"message": "too many requests"}], **headers), 1, NOW)
    assert (answer.kind, answer.until) == ("wait", NOW + timedelta(seconds=seconds))


def test_what_sendgrid_says_is_kept_without_addresses() -> None:
    answer = answer_of(Said(400, [{"message": "anna.lind@mail.example is odd", "field": "to"}]), 1, NOW)
    assert (answer.detail, answer.hold) == ("to: … is odd", "400 to: … is odd")
