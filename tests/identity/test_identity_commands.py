"""`rapport identity`: what a person reads and decides, and what the next run makes of it."""

from collections.abc import Callable

import psycopg
import pytest
from typer.testing import CliRunner

from rapport import ledger
from rapport.cli import app
from rapport.errors import ConfigurationError
from rapport.identity import resolve
from rapport.identity.resolution import derive_id
from rapport.identity.resolve import resolve_identity
from rapport.settings import Settings

Observe = Callable[..., None]
OpenRun = Callable[..., ledger.Run]
Rapport = Callable[..., str]


@pytest.fixture(autouse=True)
def what_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "MOST_NEWS", 1.0)


@pytest.fixture
def rapport(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Rapport:
    """`rapport("explain", "anna@x.example")`: what the command prints."""
    assert settings.warehouse_url is not None
    monkeypatch.setenv("RAPPORT_WAREHOUSE_URL", settings.warehouse_url)
    monkeypatch.setenv("RAPPORT_CONFIG", str(settings.config))
    monkeypatch.setenv("RAPPORT_HOME", str(settings.home))

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["identity", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def customer(url: str, value: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select customer_id from identity.identifiers where value = %s", [value]
        ).fetchone()
    return row[0] if row is not None else None


@pytest.fixture
def anna(warehouse_url: str, observe: Observe, open_run: OpenRun) -> str:
    """Anna's number, device and phone, her husband's address on the same device; her customer id."""
    observe(1, "orders", "shop", "o1", customer_number="7", email="anna@x.example")
    observe(2, "web_events", "site", "w1", email="anna@x.example", anonymous_id="tablet")
    observe(3, "web_events", "site", "w2", email="ben@x.example", anonymous_id="tablet")
    observe(3, "contacts", "crm", "k1", contact_id="k1", email="ben@x.example", phone="+4930")
    resolve_identity(warehouse_url, open_run(3))
    return derive_id("customer_number", "shop", "7")


def test_explain_prints_the_chain_of_evidence(anna: str, rapport: Rapport) -> None:
    text = rapport("explain", "Anna@x.example")
    assert text.startswith(
        f"email anna@x.example is customer {anna}, named after customer_number 7 of shop\n"
    )
    assert (
        "phone +4930\n"
        "  seen 2026-01-04 to 2026-01-04\n"
        "  -> device tablet\n"
        "     web_events of site, first w1, 2026-01-03 00:00 UTC\n"
        "  -> email ben@x.example\n"
        "     web_events of site, first w2, 2026-01-04 00:00 UTC\n"
        "  -> phone +4930\n"
        "     contacts of crm, first k1, 2026-01-04 00:00 UTC\n"
    ) in text


def test_a_split_gives_both_sides_their_own_back_and_an_undo_joins_them_again(
    anna: str, warehouse_url: str, rapport: Rapport, open_run: OpenRun
) -> None:
    assert customer(warehouse_url, "ben@x.example") == customer(warehouse_url, "+4930") == anna
    text = rapport("split", "device:tablet", "ben@x.example", "--reason", "husband", "--by", "Eve")
    assert text == (
        "Decision 1: device tablet and email ben@x.example are cut apart. "
        "It takes effect with the next run.\n"
    )
    assert "no longer linked; the next run takes it away" in rapport("explain", "anna@x.example")
    resolve_identity(warehouse_url, open_run(4))
    assert customer(warehouse_url, "anna@x.example") == customer(warehouse_url, "tablet") == anna
    ben = customer(warehouse_url, "ben@x.example")
    assert ben == customer(warehouse_url, "+4930") == derive_id("contact", "crm", "k1")
    assert "Eve  cut device:tablet and email:ben@x.example  (husband)" in rapport("decisions")
    rapport("undo", "1")
    resolve_identity(warehouse_url, open_run(5))
    assert customer(warehouse_url, "ben@x.example") == anna
    assert f"Former ids that lead here: {ben}" in rapport("explain", "ben@x.example")
    with pytest.raises(ConfigurationError, match="there is no decision 1 that holds"):
        rapport("undo", "1")


def test_a_cut_says_when_another_way_is_left(anna: str, rapport: Rapport, observe: Observe) -> None:
    observe(4, "tickets", "shop", "t1", email="ben@x.example", customer_number="7")
    text = rapport("split", "tablet", "ben@x.example")
    assert "They are still one customer, by another way" in text
    assert "  -> email anna@x.example\n     web_events of site, first w1" in text


def test_an_identifier_marked_as_shared_links_nobody(
    anna: str, warehouse_url: str, rapport: Rapport, open_run: OpenRun
) -> None:
    rapport("split", "tablet", "--shared")
    resolve_identity(warehouse_url, open_run(4))
    assert customer(warehouse_url, "ben@x.example") != anna
    assert customer(warehouse_url, "tablet") is None
    with pytest.raises(
        ConfigurationError, match="device tablet is a device that no other identifier was seen"
    ):
        rapport("explain", "device:tablet")


def test_two_people_are_joined_by_hand(
    warehouse_url: str, rapport: Rapport, observe: Observe, open_run: OpenRun
) -> None:
    observe(1, "orders", "shop", customer_number="1")
    observe(2, "orders", "shop", customer_number="2")
    resolve_identity(warehouse_url, open_run(2))
    rapport("join", "customer_number:shop:1", "customer_number:shop:2", "--by", "Eve")
    resolve_identity(warehouse_url, open_run(3))
    assert customer(warehouse_url, "1") == customer(warehouse_url, "2")
    assert "decision 1, joined by Eve on " in rapport("explain", "customer_number:shop:2")


def test_review_names_the_people_and_what_to_do(
    warehouse_url: str, rapport: Rapport, observe: Observe, open_run: OpenRun
) -> None:
    assert rapport("review") == "Nothing waits for review.\n"
    for number in range(6):
        observe(1, "contacts", "crm", email=f"p{number}@x.example", phone="+4930")
    resolve_identity(warehouse_url, open_run(1))
    text = rapport("review")
    assert text.startswith("phone +4930 was seen with 6 of kind email; it would join\n")
    assert "email p5@x.example" in text
    assert "`rapport identity trust phone:+4930` if it is one person" in text
    rapport("split", "+4930", "--shared")
    assert rapport("review") == "Nothing waits for review.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("explain", "somebody@x.example"), "email somebody@x.example is nobody's, or was never seen"),
        (("explain", "test@x.example"), "is a placeholder"),
        (("explain", "17850"), "no identifier is called 17850; write an e-mail address"),
        (("split", "anna@x.example"), "say what to split"),
        (("split", "anna@x.example", "ANNA@x.example"), "both names are email anna@x.example"),
    ],
)
def test_a_mistake_is_answered_with_what_would_be_right(
    anna: str, rapport: Rapport, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        rapport(*arguments)
