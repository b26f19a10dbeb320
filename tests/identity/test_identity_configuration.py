"""config/identity.yml, and the normal form of an address."""

import pytest

from rapport.errors import ConfigurationError
from rapport.identity.addresses import normal_form
from rapport.identity.configuration import Folding, Identity, read_identity
from rapport.settings import PROJECT, Settings


def test_dots_and_tags_are_kept_but_where_a_domain_drops_them() -> None:
    folding = {"fold.example": Folding(plus_tags=True, dots=True)}
    assert normal_form("an.na+news@fold.example", folding) == "anna@fold.example"
    assert normal_form("an.na+news@keep.example", folding) == "an.na+news@keep.example"
    assert normal_form("anna..x@fold.example", folding) == "anna..x@fold.example"  # no address by the rules


def test_the_shipped_file_shows_the_defaults_and_takes_the_senders_addresses_in(settings: Settings) -> None:
    assert read_identity(settings) == Identity()
    (settings.config / "identity.yml").write_text((PROJECT / "config" / "identity.yml").read_text())
    assert read_identity(settings) == Identity()
    (settings.config / "sender.yml").write_text((PROJECT / "config" / "sender.yml").read_text())
    own = set(read_identity(settings).placeholders.email) - set(Identity().placeholders.email)
    assert own
    assert all("@" in address for address in own)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("guard: {link: 5}", r"identity\.yml: guard\.link is no key here; did you mean links\?"),
        ("guard: {links: 0}", r"identity\.yml: guard\.links: .*greater than or equal to 1"),
        (
            "placeholders: {email: ['*']}",
            r"identity\.yml: placeholders\.email\.0: '\*' would match everything",
        ),
        ("placeholders: {email: ['/(/']}", r"is no regular expression"),
        ("email_folding: {me@x.example: {dots: true}}", r"is no domain; write it like gmail\.com"),
    ],
)
def test_a_mistake_in_the_file_is_named(settings: Settings, text: str, sentence: str) -> None:
    (settings.config / "identity.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=sentence):
        read_identity(settings)
