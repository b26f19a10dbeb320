"""/u/{token}: a POST withdraws before it is answered, everything else only shows."""

import re
from typing import Any

import httpx
from public_application import KEY, Public

from rapport.delivery.unsubscribe import unsubscribe_token
from rapport.public.failures import FAILURES

ANNA = KEY.key_of("anna@mail.example")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


BODIES: list[dict[str, Any]] = [
    {"data": ONE_CLICK},
    {"files": {"List-Unsubscribe": (None, "One-Click")}},
    {"content": b""},
    {"content": b"List-Unsubscribe=One-Click"},
    {"content": b"\xff\xfe garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    {"content": b"--x--", "headers": {"Content-Type": "multipart/form-data"}},
    {"content": b"%%%=&&;\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"content": b"x" * 100_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
]


def test_checklist_2_one_click_needs_nothing_but_the_link(public: Public) -> None:
    """RFC 8058: no cookie, no referrer, no log-in, no redirect; suppressed before the answer, repeat or not.

    urlencoded, multipart, and whatever else somebody may post.
    """
    for body in BODIES * 2:
        answer = public.client.post(f"/u/{public.token()}", **body)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert public.suppressions() == [(ANNA, "news", "unsubscribed")]
        public.owner.execute("delete from activation.suppressions")
    for _ in range(2):
        assert public.client.post(f"/u/{public.token()}", data=ONE_CLICK).status_code == 200
    assert public.suppressions() == [(ANNA, "news", "unsubscribed")]


def test_checklist_2_nothing_but_a_post_unsubscribes(public: Public) -> None:
    """Scanners follow every link of a mail."""
    known = {"GET": 200, "HEAD": 200, "OPTIONS": 204}
    for method in (*known, "PUT", "DELETE", "PATCH"):
        answer = public.client.request(method, f"/u/{public.token()}")
        assert answer.status_code == known.get(method, 405)
    assert public.suppressions() == []


def test_checklist_3_a_changed_token_changes_nothing(public: Public) -> None:
    token = public.token()
    foreign = unsubscribe_token(b"another key of 32 characters ...", ANNA, "news")
    for wrong in (token[:-1], token[:-1] + "A", foreign, token.swapcase(), "x", "%2e%2e", "%00", "é"):
        assert public.client.post(f"/u/{wrong}", data=ONE_CLICK).status_code == 404
        assert public.client.get(f"/u/{wrong}").status_code == 404
    assert public.suppressions() == []


def test_the_page_asks_first_and_works_without_a_script(public: Public) -> None:
    page = public.client.get(f"/u/{public.token()}")
    assert "Stop mails about New teas?" in page.text
    assert "a***@m***.example" in page.text
    assert "anna" not in page.text
    assert "<script" not in page.text
    assert "Offers" in page.text
    assert "Sms" not in page.text
    (value,) = re.findall(r'<button class="strong" name="stop" value="(\w+)"', page.text)
    done = public.client.post(f"/u/{public.token()}", data={"stop": value})
    assert "no more mails about New teas" in done.text
    assert "You get no mails about New teas" in public.client.get(f"/u/{public.token()}").text


def test_every_page_keeps_to_itself(public: Public) -> None:
    for answer in (
        public.client.get(f"/u/{public.token()}"),
        public.client.post(f"/u/{public.token()}"),
        public.client.get("/u/wrong"),
        public.client.get("/nothing"),
    ):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    policy = public.client.get(f"/u/{public.token()}").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "form-action 'self'" in policy
    assert public.client.get(f"/u/{public.token()}").headers["cache-control"] == "no-store"


def test_checklist_12_preferences_can_only_be_withdrawn(public: Public) -> None:
    """By topic, without a log-in; what was not wanted cannot be asked for."""
    chosen = {"stop": "chosen", "topic": ["offers", "made up", "all"]}
    assert public.client.post(f"/u/{public.token()}", data=chosen).status_code == 200
    assert public.suppressions() == [(ANNA, "offers", "preferences")]
    nothing = public.client.post(f"/u/{public.token()}", data={"stop": "chosen"})
    assert "Nothing changed" in nothing.text
    assert public.suppressions() == [(ANNA, "offers", "preferences")]
    assert "Offers" not in public.client.get(f"/u/{public.token()}").text


def test_checklist_12_all_beats_topics(public: Public) -> None:
    assert "no more mails" in public.client.post(f"/u/{public.token()}", data={"stop": "all"}).text
    assert public.suppressions() == [(ANNA, "all", "unsubscribed")]
    assert "There is nothing left to do here" in public.client.get(f"/u/{public.token()}").text
    assert "get no mails from us" in public.client.get(f"/u/{public.token(topic='all')}").text


def test_a_consent_confirmed_later_is_shown_and_can_be_withdrawn_again(public: Public) -> None:
    public.client.post(f"/u/{public.token()}")
    public.owner.execute("update marts.consents set confirmed_at = now() where topic = 'news'")
    assert "Stop mails about New teas?" in public.client.get(f"/u/{public.token()}").text
    public.client.post(f"/u/{public.token()}")
    assert "You get no mails about New teas" in public.client.get(f"/u/{public.token()}").text


def test_links_that_are_used_again_and_again_leave_little(public: Public) -> None:
    for _ in range(5):
        public.client.post(f"/u/{public.token()}")
    assert len(public.suppressions()) == 1


def test_somebody_who_is_not_in_the_warehouse_is_suppressed_too(public: Public) -> None:
    """After an erasure, or before the first run."""
    token = public.token("gone@mail.example")
    assert "Stop mails about New teas?" in public.client.get(f"/u/{token}").text
    assert public.client.post(f"/u/{token}").status_code == 200
    assert public.suppressions() == [(KEY.key_of("gone@mail.example"), "news", "unsubscribed")]


def test_only_wrong_tokens_are_limited(public: Public) -> None:
    answers = [public.client.get("/u/wrong").status_code for _ in range(FAILURES + 1)]
    assert answers == [404] * FAILURES + [429]
    for _ in range(FAILURES + 1):
        assert public.client.post(f"/u/{public.token()}").status_code == 200


def test_where_the_database_is_gone_the_page_says_so(broken: httpx.Client, public: Public) -> None:
    for answer in (broken.get(f"/u/{public.token()}"), broken.post(f"/u/{public.token()}")):
        assert answer.status_code == 503
        assert "nothing has changed yet" in answer.text


def test_what_a_topic_is_called_cannot_break_the_page(public: Public) -> None:
    token = public.token(topic="<b>&")
    page = public.client.get(f"/u/{token}")
    assert "<b>" not in page.text
    assert "&lt;b&gt;&amp;" in page.text
