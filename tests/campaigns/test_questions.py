"""What Airflow asks about editions that await approval, and what the answers do."""

from dataclasses import asdict
from datetime import timedelta

import pytest

from campaigns.small_shop import MONDAY, WEEKLY, SmallShop
from rapport import steps, warehouse
from rapport.campaigns.questions import Question, open_questions
from rapport.errors import DecisionRefused

EDITION = "weekly/2026-06-29T09:00:00Z"
HOUR = timedelta(hours=1)


@pytest.fixture
def awaiting(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> SmallShop:
    monkeypatch.setenv("RAPPORT_HOME", str(shop.settings.home))
    monkeypatch.setenv("RAPPORT_CONFIG", str(shop.settings.config))
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", shop.url)
    shop.write("campaigns/weekly.yml", WEEKLY + "approval: true\n")
    shop.add("anna", first_name="Anna")
    shop.add("bert", topics=())
    shop.plan()
    return shop


def questions(shop: SmallShop, editions: list[str] | None = None, hours: int = 1) -> list[Question]:
    with warehouse.connect(shop.url) as connection:
        return open_questions(connection, editions, MONDAY + hours * HOUR, "https://airflow.example/")


def state(shop: SmallShop) -> tuple[str, str | None]:
    return shop.editions()[EDITION]


def test_a_question_has_counts_reasons_and_a_link_and_names_nobody(awaiting: SmallShop) -> None:
    (question,) = questions(awaiting)
    assert question.subject == f"Send {EDITION} to 1 people?"
    assert "**1** of 2 people get a mail, the first at 2026-06-29 09:00 UTC" in question.body
    assert "1 get none: no address holds consent for the topic" in question.body
    page = "https://airflow.example/rapport/campaigns/weekly/editions/2026-06-29T09:00:00Z"
    assert f"({page})" in question.body
    assert "nothing is sent" in question.body
    assert question.seconds == 23 * 3600
    said = str(asdict(question)).lower()
    assert not [name for name in ("anna", "bert", "mail.example") if name in said]


def test_only_what_can_be_approved_is_asked_about(awaiting: SmallShop) -> None:
    assert questions(awaiting, [EDITION])
    assert not questions(awaiting, ["another"])
    assert not questions(awaiting, hours=24)
    awaiting.execute("update activation.editions set state = 'approved'")
    assert not questions(awaiting)


def test_planning_tells_which_new_editions_to_ask_about(awaiting: SmallShop) -> None:
    awaiting.write("campaigns/daily.yml", WEEKLY)
    run = awaiting.run(MONDAY + timedelta(days=7))
    assert steps.plan_campaigns("run_campaigns", run.run_id) == ["weekly/2026-07-06T09:00:00Z"]
    assert steps.plan_campaigns("run_campaigns", run.run_id) == []


@pytest.mark.parametrize(
    ("is_approved", "decision", "after"),
    [(True, "approved", ("approved", None)), (False, "rejected", ("cancelled", "by_hand"))],
)
def test_the_answer_decides(
    awaiting: SmallShop, is_approved: bool, decision: str, after: tuple[str, str | None]
) -> None:
    (question,) = questions(awaiting)
    steps.decide(EDITION, question.edition_hash, is_approved, by="mia")
    assert state(awaiting) == after
    assert awaiting.execute(
        "select decision, decided_by, decided_through, edition_hash from activation.approvals"
    ) == [(decision, "mia", "task", question.edition_hash)]


def test_an_answer_is_of_the_plan_that_was_asked_about(awaiting: SmallShop) -> None:
    (question,) = questions(awaiting)
    awaiting.write("campaigns/weekly.yml", WEEKLY.replace("What is new", "Other news") + "approval: true\n")
    awaiting.plan()
    with pytest.raises(DecisionRefused, match="planned afresh since you saw it"):
        steps.decide(EDITION, question.edition_hash, True, by="mia")
    assert state(awaiting) == ("awaiting_approval", None)
