"""What the search field takes a text for."""

import pytest

from rapport.identity.configuration import Folding
from rapport.web.pages.customers.wanted import LONGEST, read

FOLDING = {"gmail.com": Folding(plus_tags=True, dots=True)}


@pytest.mark.parametrize("text", ["Ann.Lee@Home.example", "  ann.lee@home.example ", "ANN.LEE@HOME.EXAMPLE"])
def test_an_address_is_compared_as_identity_does(text: str) -> None:
    assert read(text, FOLDING).emails == ("ann.lee@home.example",)


def test_all_spellings_of_one_mailbox_are_looked_for() -> None:
    assert read("Ann.Lee+shop@gmail.com", FOLDING).emails == ("ann.lee+shop@gmail.com", "annlee@gmail.com")


@pytest.mark.parametrize("text", ["+49 151 2345678", "0049-151-2345678", "+49 (151) 234 56 78"])
def test_a_phone_with_its_country_is_one_number(text: str) -> None:
    assert read(text, FOLDING).phones == ("+491512345678",)


def test_a_phone_without_its_country_may_be_of_many() -> None:
    phones = read("0151 2345678", FOLDING).phones
    assert "+491512345678" in phones
    assert len(phones) == len(set(phones)) > 10


def test_a_short_number_is_no_phone() -> None:
    wanted = read("17850", FOLDING)
    assert (wanted.number, wanted.phones, wanted.name) == ("17850", (), None)


def test_a_customer_id_is_taken_whole() -> None:
    assert read(" C_0123456789abcdef0123 ", FOLDING).customer_id == "c_0123456789abcdef0123"
    assert read("c_0123456789abcdef012", FOLDING).customer_id is None


def test_a_name_loses_its_comma() -> None:
    assert read(" Lee,  Ann ", FOLDING).name == "Lee Ann"


def test_anything_may_be_a_customer_number() -> None:
    for text in ("{{ env_var('X') }}", "'; drop table customers; --", "%", "_", "K-17/3"):
        assert read(text, FOLDING).number == text


def test_what_a_database_cannot_hold_is_left_out() -> None:
    assert read("An\0na", FOLDING).text == "An na"
    assert len(read("x" * 5_000, FOLDING).text) == LONGEST
