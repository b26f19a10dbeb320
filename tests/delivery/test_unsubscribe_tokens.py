"""Unsubscribe tokens: opaque, unforgeable, for ever."""

import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.audiences.recipients import RecipientKey
from rapport.delivery.unsubscribe import UnsubscribeKeys, Unsubscription, unsubscribe_token
from rapport.errors import ConfigurationError
from rapport.settings import Settings

OLD, NEW = b"old 0123456789abcdef", b"new 0123456789abcdef"
OWN = RecipientKey(b"own 0123456789abcdef", "RAPPORT_RECIPIENT_KEY")
KEY = OWN.key_of("anna@mail.example")
ANYTHING = st.characters(exclude_characters="\0", codec="utf-8")
TEXT = st.text(ANYTHING, min_size=1, max_size=60)


def test_a_token_says_whom_and_what_it_is_about() -> None:
    token = unsubscribe_token(NEW, KEY, "news")
    assert UnsubscribeKeys((NEW,)).read(token) == Unsubscription(KEY, "news")


def test_checklist_3_no_byte_of_a_token_may_change() -> None:
    token = unsubscribe_token(NEW, KEY, "news")
    keys = UnsubscribeKeys((NEW, OLD))
    for place in range(len(token)):
        for bit in range(8):
            changed = token[:place] + chr(ord(token[place]) ^ 1 << bit) + token[place + 1 :]
            assert keys.read(changed) is None, changed
        assert keys.read(token[:place] + token[place + 1 :]) is None
    for more in ("=", "==", ".", " ", "A", "\n"):
        assert keys.read(token + more) is None


@given(TEXT, TEXT, TEXT, TEXT)
def test_checklist_3_nothing_in_a_token_can_be_swapped(key: str, topic: str, other: str, more: str) -> None:
    """Neither the topic, nor the recipient, nor where one ends and the other begins."""
    keys = UnsubscribeKeys((NEW,))
    token = unsubscribe_token(NEW, key, topic)
    content, proof = token.split(".")
    for recipient, about in ((key, other), (other, topic), (key + more, topic), (key, topic + more)):
        foreign = unsubscribe_token(NEW, recipient, about)
        if (recipient, about) != (key, topic):
            assert keys.read(f"{foreign.split('.')[0]}.{proof}") is None
            assert keys.read(f"{content}.{foreign.split('.')[1]}") is None
    assert keys.read(token) == Unsubscription(key, topic)


@given(st.text(max_size=200))
def test_any_text_is_refused_quietly(text: str) -> None:
    assert UnsubscribeKeys((NEW,)).read(text) is None


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_any_content_is_refused_quietly(content: bytes, proof: bytes) -> None:
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (content, proof))
    assert UnsubscribeKeys((NEW,)).read(token) is None


def test_a_token_of_another_key_is_refused_and_of_a_former_one_is_not() -> None:
    token = unsubscribe_token(OLD, KEY, "news")
    assert UnsubscribeKeys((NEW,)).read(token) is None
    assert UnsubscribeKeys((NEW, OLD)).read(token) == Unsubscription(KEY, "news")


def test_checklist_3_a_token_holds_no_address() -> None:
    content = unsubscribe_token(NEW, KEY, "news").split(".")[0]
    assert b"anna" not in base64.urlsafe_b64decode(content + "==")


def test_the_recipient_key_signs_until_there_is_another(settings: Settings) -> None:
    assert UnsubscribeKeys.from_settings(settings, OWN).signing == OWN.secret
    rotated = dataclasses.replace(settings, unsubscribe_keys=(NEW.decode(), OLD.decode()))
    keys = UnsubscribeKeys.from_settings(rotated, OWN)
    assert keys.signing == NEW
    assert keys.read(unsubscribe_token(OWN.secret, KEY, "news")) == Unsubscription(KEY, "news")
    assert UnsubscribeKeys.from_settings(rotated, None).secrets == (NEW, OLD)


def test_a_short_key_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="RAPPORT_UNSUBSCRIBE_KEYS: key 2 has 5 characters"):
        UnsubscribeKeys.from_settings(
            dataclasses.replace(settings, unsubscribe_keys=(NEW.decode(), "short")), None
        )
    with pytest.raises(ConfigurationError, match="no key signs unsubscribe links"):
        UnsubscribeKeys.from_settings(settings, None)


def test_no_key_shows() -> None:
    assert "0123456789" not in repr(UnsubscribeKeys((NEW, OLD)))
