"""`rapport campaign` and `rapport vouchers`: what a marketer types and reads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from campaigns.small_shop import WEEKLY, SmallShop
from rapport import ledger
from rapport.cli import app
from rapport.errors import ConfigurationError, DecisionRefused, InputError

EDITION = "weekly/2026-06-29T09:00:00Z"
Rapport = Callable[..., str]


@pytest.fixture
def rapport(shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> Rapport:
    """`rapport("campaign", "status")`: what the command prints, its runs of blanks as one."""
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", shop.url)
    monkeypatch.setenv("RAPPORT_CONFIG", str(shop.settings.config))
    monkeypatch.setenv("RAPPORT_HOME", str(shop.settings.home))

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return call


@pytest.fixture
def planned(shop: SmallShop) -> SmallShop:
    shop.add("anna")
    shop.add("bert", None)
    shop.plan()
    return shop


def test_status_shows_how_far_an_edition_is_and_who_got_nothing(planned: SmallShop, rapport: Rapport) -> None:
    assert f"{EDITION} 1 0 1 approved; no address 1" in rapport("campaign", "status", "weekly")
    assert "No edition was planned yet" in rapport("campaign", "status", "other")


def test_campaigns_are_checked_previewed_and_sent_to_a_colleague(
    planned: SmallShop, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport.settings.Settings.dbt_project", planned.settings.dbt_project)
    assert rapport("campaign", "check") == "weekly: right"
    said = rapport("campaign", "preview", "weekly", "--customer", "anna")
    assert "Subject: News for you" in said
    page = planned.settings.home / "previews" / "weekly-1.html"
    assert "Hello there" in page.read_text()
    said = rapport("campaign", "test-send", "weekly", "--to", "mia@small.example", "--customer", "anna")
    assert said == "weekly: accepted (local)"
    assert len(planned.mails()) == 1
    with pytest.raises(InputError, match="weekly has no mail thursday"):
        rapport("campaign", "preview", "weekly", "--variant", "thursday")
    planned.write("campaigns/weekly.yml", WEEKLY.replace("topic: news", "topik: news"))
    with pytest.raises(ConfigurationError, match="topik is no key here; did you mean topic"):
        rapport("campaign", "check")


def test_what_nobody_knows_the_fate_of_is_sent_again_by_a_person(
    planned: SmallShop, rapport: Rapport
) -> None:
    planned.execute("update activation.messages set state = 'unknown' where state = 'planned'")
    assert "unknown 1" in rapport("campaign", "status")
    said = rapport("campaign", "send-again", EDITION, "--by", "mia")
    assert said == f"{EDITION}: mails that are planned once more: 1"
    assert planned.messages()["anna"] == ("planned", None)
    planned.execute("update activation.editions set state = 'held', state_reason = 'restored'")
    assert rapport("campaign", "release", EDITION) == f"{EDITION} awaits approval."


def test_an_edition_is_approved_and_another_cancelled(planned: SmallShop, rapport: Rapport) -> None:
    planned.execute("update activation.editions set state = 'awaiting_approval'")
    assert "awaiting approval" in rapport("campaign", "status")
    said = rapport("campaign", "approve", EDITION, "--by", "mia", "--comment", "well")
    assert said == f"{EDITION} is approved; mails to send when they are due: 1"
    assert planned.execute("select decided_by, decided_through, comment from activation.approvals") == [
        ("mia", "command", "well")
    ]
    with pytest.raises(DecisionRefused):
        rapport("campaign", "approve", EDITION)
    assert "is cancelled; mails that are not sent: 1" in rapport("campaign", "cancel", EDITION, "--by", "mia")


def test_pausing_needs_to_know_what(planned: SmallShop, rapport: Rapport) -> None:
    with pytest.raises(InputError, match="name a campaign, or say --all"):
        rapport("campaign", "pause")
    with pytest.raises(InputError, match="there is no campaign weakly; did you mean weekly"):
        rapport("campaign", "pause", "weakly")


def test_a_pause_is_said_until_it_ends(planned: SmallShop, rapport: Rapport) -> None:
    assert (
        rapport("campaign", "pause", "--all", "--by", "mia", "--reason", "a typo") == "Everything is paused."
    )
    rapport("campaign", "pause", "weekly", "--by", "ben")
    assert rapport("campaign", "status").startswith(
        "Paused: everything, by mia (a typo) Paused: weekly, by ben Edition"
    )
    assert rapport("campaign", "resume", "--all") == "Everything goes on."
    assert rapport("campaign", "resume", "weekly") == "weekly goes on."
    assert rapport("campaign", "resume", "weekly") == "weekly was not paused."
    assert "Paused" not in rapport("campaign", "status")


def test_vouchers_are_imported_and_counted(rapport: Rapport, tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("A\nB\n")
    assert rapport("vouchers", "import", "spring", str(tmp_path / "codes.txt")) == (
        "spring: 2 codes added, 0 known already"
    )
    assert rapport("vouchers", "list") == "spring: 2 free, 0 taken"


def test_a_plan_says_who_would_get_what_and_who_not(
    planned: SmallShop, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport.settings.Settings.dbt_project", planned.settings.dbt_project)
    with ledger.step(planned.url, planned.run().run_id, "build", "record_memberships"):
        pass
    said = rapport("campaign", "plan", "weekly", "--as-of", "2026-07-06T10:00:00Z")
    assert "weekly/2026-07-06T09:00:00Z 1 of 2 would get it at 2026-07-06 09:00 UTC" in said
    assert "The others get nothing: no address 1" in said
    assert "Against weekly/2026-06-29T09:00:00Z (1): 0 are new, 0 are gone" in said
    assert "anna 2026-07-06 09:00 UTC" in said
    assert planned.execute("select count(*) from activation.editions") == [(1,)]
