"""Campaigns in the pages: who may see and decide what, what a decision does, and what a mail may do."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Route

from campaigns import small_shop
from campaigns.small_shop import SmallShop
from rapport import ledger
from rapport.errors import ConfigurationError
from rapport.settings import PROJECT
from web.browsing import DESKTOP, PHONE, window
from web.conftest import make_roles
from web.served_pages import Answer, Pages

CODE = PROJECT / "plugins" / "rapport" / "web" / "pages" / "campaigns"
SLOT = "2026-06-29T09:00:00Z"
EDITION = f"weekly/{SLOT}"
HOSTILE_NAME = "<script>parent.document.title='run'</script><img src=x onerror=\"document.title='run'\">"
WEEKLY = small_shop.WEEKLY + "approval: true\nholdout: 0.3\ngoal: {event: order}\n"
FIELDS = {
    "edition": EDITION,
    "edition_hash": "x",
    "comment": "well",
    "reason": "a typo",
    "member": "anna",
    "to": "mia@small.example",
}
POSTS = (
    "/campaigns/weekly/approve",
    "/campaigns/weekly/reject",
    "/campaigns/weekly/release",
    "/campaigns/weekly/send-again",
    "/campaigns/weekly/pause",
    "/campaigns/weekly/resume",
    "/campaigns/weekly/preview",
    "/campaigns/weekly/test-send",
)
FOR_MARKETERS = (
    "/campaigns/weekly/next",
    "/campaigns/weekly/preview",
    "/campaigns/weekly/preview/mail",
    "/campaigns/weekly/preview/frame",
)
FOR_ALL = (
    "/campaigns",
    "/campaigns/*",
    "/campaigns/weekly",
    f"/campaigns/weekly/editions/{SLOT}",
    f"/campaigns/weekly/funnel/{SLOT}",
)
NOBODY = """
select
    (select count(*) from activation.approvals), (select count(*) from activation.pauses),
    (select count(*) from activation.resends), (select count(*) from activation.test_sends),
    (select state from activation.editions)
"""


@pytest.fixture(scope="module")
def planned(pages: Pages) -> SmallShop:
    """A weekly letter whose one edition awaits approval; among its readers somebody with a hostile name."""
    make_roles(pages.url)
    pages.settings.config.mkdir()
    shop = small_shop.build(pages.url, pages.settings)
    shop.write("campaigns/weekly.yml", WEEKLY)
    shop.write("campaigns/broken.yml", WEEKLY.replace("letter.mjml", "leter.mjml"))
    for number in range(12):
        shop.add(f"person{number}", first_name=f"Person{number}")
    shop.add("anna", first_name="Anna")
    shop.add("nameless")
    shop.add("hostile", first_name=HOSTILE_NAME)
    shop.add("nowhere", email=None)
    with pytest.raises(ConfigurationError, match="broken"):  # which stops no other campaign
        shop.plan()
    view = shop.run()
    with ledger.step(shop.url, view.run_id, "build_customer_view", "record_memberships"):
        pass
    return shop


@pytest.fixture
def shop(planned: SmallShop) -> Iterator[SmallShop]:
    """As planned, whatever another test has decided."""
    yield planned
    with psycopg.connect(planned.url) as connection:
        for statement in (
            "truncate activation.approvals, activation.pauses, activation.resends, activation.test_sends",
            """
            update activation.editions
            set state = 'awaiting_approval', state_reason = null, planned_at = now()
            """,
            "update activation.messages set attempt_id = null, claimed_at = null",
            """
            update activation.messages set state = 'planned', state_reason = null
            where state not in ('skipped', 'planned')
            """,
            "delete from activation.attempts",
        ):
            connection.execute(statement)  # type: ignore[arg-type]


def rows(shop: SmallShop, query: str) -> list[tuple[Any, ...]]:
    return shop.execute(query)


def send(pages: Pages, path: str, who: str = "mia", **fields: str) -> Answer:
    return pages.post(f"/rapport{path}", fields, who, pages.form_token(who))


def test_each_write_is_listed_here() -> None:
    found = [
        route
        for file in CODE.glob("*.py")
        for route in re.findall(r'@router\.post\(\s*f?"([^"]+)"', file.read_text())
    ]
    assert sorted(found) == sorted(path.replace("/campaigns/weekly", "/{name}") for path in POSTS)


def test_a_write_takes_a_marketer_their_own_token_and_our_own_page(pages: Pages, shop: SmallShop) -> None:
    tokens = {who: pages.form_token(who) for who in ("vera", "mia", "olga")}
    before = rows(shop, NOBODY)
    for path in POSTS:
        address = f"/rapport{path}"
        assert pages.post(address, FIELDS, None, tokens["mia"]).status == 401, path
        assert pages.post(address, FIELDS, "vera", tokens["vera"]).status == 403, path
        assert pages.post(address, FIELDS, "mia").status == 403, path
        assert pages.post(address, FIELDS, "mia", tokens["olga"]).status == 403, path
        abroad = pages.post(address, FIELDS, "mia", tokens["mia"], Sec_Fetch_Site="cross-site")
        assert abroad.status == 403, path
    for path in ("/campaigns/*/pause", "/campaigns/*/resume"):
        assert pages.post(f"/rapport{path}", FIELDS, "vera", tokens["vera"]).status == 403
    assert rows(shop, NOBODY) == before


def test_people_are_shown_to_marketers_only(pages: Pages, shop: SmallShop) -> None:
    lose_an_answer(shop, 2)
    for path in (*FOR_ALL, *FOR_MARKETERS):
        assert pages.get(f"/rapport{path}").status == 401, path
    for path in FOR_MARKETERS:
        assert pages.get(f"/rapport{path}", "vera").status == 403, path
    for path in FOR_ALL:
        answer = pages.get(f"/rapport{path}", "vera")
        assert answer.status == 200, path
        assert not re.search(r"mail\.example|Person\d|Anna", answer.text), path
    edition = pages.get(f"/rapport/campaigns/weekly/editions/{SLOT}", "mia").text
    assert "@mail.example" in edition


def test_the_list_begins_with_what_waits_and_says_what_is_wrong(pages: Pages, shop: SmallShop) -> None:
    html = pages.get("/rapport/campaigns", "vera").text
    assert html.index("Awaiting approval") < html.index("Cannot be used")
    assert "did you mean letter.mjml?" in html
    assert "Look and decide" not in html
    assert "Look and decide" in pages.get("/rapport/campaigns", "mia").text


def test_what_is_not_there_is_said_so(pages: Pages, shop: SmallShop) -> None:
    answer = pages.get("/rapport/campaigns/weakly", "mia")
    assert (answer.status, "did you mean weekly?" in answer.text) == (404, True)
    assert pages.get("/rapport/campaigns/weekly/editions/never", "mia").status == 404
    assert send(pages, "/campaigns/broken/approve", edition=EDITION, edition_hash="x").status == 404


def test_an_approval_is_of_what_was_seen(pages: Pages, shop: SmallShop) -> None:
    page = pages.get(f"/rapport/campaigns/weekly/editions/{SLOT}", "mia").text
    seen = re.search(r'name="edition_hash" value="([0-9a-f]+)"', page)
    assert seen is not None
    refused = send(
        pages, "/campaigns/weekly/approve", edition=EDITION, edition_hash="old", comment="a <long> thought"
    )
    assert refused.status == 409
    assert "was planned afresh since you saw it; look at it again, then decide." in refused.text
    assert "a &lt;long&gt; thought</textarea>" in refused.text
    assert rows(shop, "select state from activation.editions") == [("awaiting_approval",)]

    done = send(pages, "/campaigns/weekly/approve", edition=EDITION, edition_hash=seen[1], comment="well")
    assert (done.status, done.headers["location"]) == (303, f"/rapport/campaigns/weekly/editions/{SLOT}")
    assert rows(shop, "select state from activation.editions") == [("approved",)]
    assert rows(
        shop,
        "select edition_hash, decision, decided_by, decided_through, comment from activation.approvals",
    ) == [(seen[1], "approved", "mia", "page", "well")]
    assert "<blockquote>well</blockquote>" in pages.get(done.headers["location"], "mia").text
    assert "<blockquote>" not in pages.get(done.headers["location"], "vera").text


def test_what_is_rejected_is_sent_to_nobody(pages: Pages, shop: SmallShop) -> None:
    assert send(pages, "/campaigns/weekly/reject", edition=EDITION, comment="").status == 303
    assert rows(shop, "select state, state_reason from activation.editions") == [("cancelled", "by_hand")]
    assert rows(shop, "select distinct state from activation.messages order by 1") == [
        ("cancelled",),
        ("skipped",),
    ]
    again = send(pages, "/campaigns/weekly/reject", edition=EDITION, comment="once more")
    assert (again.status, "there is nothing to cancel" in again.text) == (409, True)


@pytest.mark.parametrize(("name", "campaign"), [("weekly", "weekly"), ("*", None)])
def test_a_campaign_or_everything_is_paused_and_goes_on(
    pages: Pages, shop: SmallShop, name: str, campaign: str | None
) -> None:
    shop.execute("update activation.editions set state = 'approved'")
    assert send(pages, f"/campaigns/{name}/pause", reason="a typo").status == 303
    assert rows(shop, "select campaign, paused_by, reason from activation.pauses") == [
        (campaign, "mia", "a typo")
    ]
    state = "paused" if campaign else "approved"
    assert rows(shop, "select state from activation.editions") == [(state,)]
    twice = send(pages, f"/campaigns/{name}/pause", reason="my own reason")
    assert (twice.status, "It was paused already" in twice.text) == (409, True)
    assert "a typo" in pages.get("/rapport/campaigns", "vera").text
    assert send(pages, f"/campaigns/{name}/resume").status == 303
    assert rows(shop, "select resumed_by from activation.pauses") == [("mia",)]
    assert rows(shop, "select state from activation.editions") == [("approved",)]


def test_what_a_restored_warehouse_holds_awaits_approval_once_somebody_has_looked(
    pages: Pages, shop: SmallShop
) -> None:
    refused = send(pages, "/campaigns/weekly/release", edition=EDITION)
    assert (refused.status, "is not held because" in refused.text) == (409, True)
    shop.execute("update activation.editions set state = 'held', state_reason = 'restored'")
    assert send(pages, "/campaigns/weekly/release", edition=EDITION).status == 303
    assert rows(shop, "select state from activation.editions") == [("awaiting_approval",)]


def lose_an_answer(shop: SmallShop, messages: int) -> list[str]:
    """So many messages of the edition were handed over, and no answer came; their ids."""
    ((attempt,),) = rows(
        shop,
        f"""
        insert into activation.attempts (edition_id, transport, messages, outcome)
        values ('{EDITION}', 'sendgrid', {messages}, 'unknown') returning attempt_id
        """,
    )
    return [
        str(row[0])
        for row in rows(
            shop,
            f"""
            update activation.messages set state = 'unknown', attempt_id = {attempt}, claimed_at = now()
            where message_id in (
                select message_id from activation.messages where state = 'planned'
                order by message_id limit {messages}
            )
            returning message_id
            """,
        )
    ]


def test_who_may_have_got_it_is_named_and_gets_it_again_only_by_choice(pages: Pages, shop: SmallShop) -> None:
    chosen, other = lose_an_answer(shop, 2)
    refused = send(pages, "/campaigns/weekly/send-again", edition=EDITION, message=chosen)
    assert (refused.status, "what is unknown in it stays so" in refused.text) == (409, True)
    shop.execute("update activation.editions set state = 'done'")
    page = pages.get(f"/rapport/campaigns/weekly/editions/{SLOT}", "mia").text
    assert page.count('name="message"') == 2
    assert send(pages, "/campaigns/weekly/send-again", edition=EDITION, message=chosen).status == 303
    states = dict(rows(shop, "select message_id::text, state from activation.messages"))
    assert (states[chosen], states[other]) == ("planned", "unknown")
    assert rows(shop, "select message_id::text, sent_again_by from activation.resends") == [(chosen, "mia")]


def test_nobody_chosen_is_nobody_sent_to(pages: Pages, shop: SmallShop) -> None:
    lose_an_answer(shop, 2)
    shop.execute("update activation.editions set state = 'done'")
    answer = send(pages, "/campaigns/weekly/send-again", edition=EDITION)
    assert (answer.status, "Choose whom to send it again" in answer.text) == (409, True)
    assert rows(shop, "select count(*) from activation.resends") == [(0,)]


def test_the_funnel_leads_from_the_candidates_to_those_who_bought(pages: Pages, shop: SmallShop) -> None:
    def told(html: str) -> dict[str, str]:
        pattern = r'<th scope="row">([^<]+?)\s*(?:<span.*?)?</th>\s*<td class="number">(.*?)</td>'
        return {
            label: re.sub(r"<[^>]+>", "", count).replace("\N{MINUS SIGN}", "-")
            for label, count in re.findall(pattern, html, re.DOTALL)
        }

    part = f"/rapport/campaigns/weekly/funnel/{SLOT}"
    counts = dict(
        rows(shop, "select coalesce(state_reason, state), count(*) from activation.messages group by 1")
    )
    assert told(pages.get(part, "vera").text) == {
        "Candidates": "16",
        "Held out, to compare with": f"-{counts['holdout']}",
        "No e-mail address": "-1",
        "Planned mails": str(counts["planned"]),
        "Not sent yet": f"-{counts['planned']}",
    }
    lose_an_answer(shop, 1)
    shop.execute("update activation.editions set state = 'sending'")
    shop.execute(
        """
        update activation.messages set state = 'accepted', delivery = 'delivered'
        where message_id = (
            select message_id from activation.messages where state = 'planned' order by message_id limit 1
        )
        """
    )
    found = told(pages.get(part, "vera").text)
    assert (found["Unknown whether sent"], found["Sent"], found["Delivered"]) == ("-1", "1", "1")
    assert found["Not sent yet"] == f"-{counts['planned'] - 2}"


def test_the_calendar_has_past_editions_and_those_to_come(pages: Pages, shop: SmallShop) -> None:
    past = pages.get("/rapport/campaigns/weekly?month=2026-06", "vera").text
    assert "June 2026" in past
    assert f'class="chip awaiting_approval" href="/rapport/campaigns/weekly/editions/{SLOT}"' in past
    assert pages.get("/rapport/campaigns/weekly?month=2099-01", "vera").text.count('class="chip due"') >= 5
    assert pages.get("/rapport/campaigns/weekly?month=nonsense", "vera").status == 200


def test_a_member_is_found_by_an_address_that_stands_in_no_other(pages: Pages, shop: SmallShop) -> None:
    found = send(pages, "/campaigns/weekly/preview", member="anna@mail.example")
    assert (found.status, found.headers["location"]) == (
        303,
        "/rapport/campaigns/weekly/preview?customer=anna",
    )
    unknown = send(pages, "/campaigns/weekly/preview", member="nobody@mail.example")
    assert unknown.status == 404
    assert "There is no customer nobody@mail.example" in unknown.text
    assert 'name="member" value="nobody@mail.example"' in unknown.text


def test_a_mail_is_seen_for_the_edge_cases_and_that_is_on_record(pages: Pages, shop: SmallShop) -> None:
    part = pages.get("/rapport/campaigns/weekly/preview/mail", "mia").text
    for label in ("Ordinary", "No first name", "Longest first name"):
        assert label in part
    shop.execute("truncate ops.page_audit")
    mine = pages.get("/rapport/campaigns/weekly/preview/mail?customer=hostile", "mia").text
    assert "News for &lt;script&gt;" in mine
    assert "<script" not in mine
    assert rows(shop, "select who, action, subject, detail ->> 'campaign' from ops.page_audit") == [
        ("mia", "previewed mail", "hostile", "weekly")
    ]
    assert pages.get("/rapport/campaigns/weekly/preview/frame?customer=anna", "olga").status == 200
    assert rows(shop, "select who, subject from ops.page_audit where who <> 'mia'") == [("olga", "anna")]


def test_an_edition_is_seen_as_it_was_planned_whatever_its_file_says_now(
    pages: Pages, shop: SmallShop
) -> None:
    shop.write("campaigns/weekly.yml", WEEKLY.replace("News for", "Nonsense for"))
    try:
        now = pages.get("/rapport/campaigns/weekly/preview/mail?customer=anna", "mia").text
        assert "Nonsense for Anna" in now
        planned = pages.get(f"/rapport/campaigns/weekly/preview/mail?customer=anna&edition={EDITION}", "mia")
        assert "News for Anna" in planned.text
        page = pages.get(f"/rapport/campaigns/weekly/editions/{SLOT}", "mia").text
        assert "files have changed since this was planned" in page
    finally:
        shop.write("campaigns/weekly.yml", WEEKLY)


def test_a_test_goes_to_an_allowed_address_and_counts_nowhere(pages: Pages, shop: SmallShop) -> None:
    sent = send(pages, "/campaigns/weekly/test-send", to="mia@small.example", customer="anna")
    assert sent.status == 303
    assert "small.example" not in sent.headers["location"]
    assert any("Subject: [Test] News for Anna" in text.decode() for text in shop.mails().values())
    assert rows(shop, "select sent_by, outcome from activation.test_sends") == [("mia", "accepted")]
    wrong = send(pages, "/campaigns/weekly/test-send", to="mia at home", customer="anna")
    assert (wrong.status, "is no e-mail address" in wrong.text) == (422, True)
    assert 'value="mia at home"' in wrong.text
    shop.write("delivery.yml", "transport: sendgrid\nallow_recipients: [other.example]\n")
    try:
        refused = send(pages, "/campaigns/weekly/test-send", to="mia@small.example", customer="anna")
    finally:
        (shop.settings.config / "delivery.yml").unlink()
    assert (refused.status, "lets only other.example get mail" in refused.text) == (422, True)


def test_what_would_be_planned_now_is_said_and_not_written(pages: Pages, shop: SmallShop) -> None:
    shop.write("campaigns/welcome.yml", small_shop.WELCOME)
    shop.add("newcomer", segments=["new_customers"], entered_at=datetime.now(UTC))
    try:
        part = pages.get("/rapport/campaigns/welcome/next", "mia")
    finally:
        (shop.settings.config / "campaigns" / "welcome.yml").unlink()
    assert part.status == 200
    assert re.search(r">1</data> of <data[^>]*>1</data> would get it", part.text)
    assert rows(shop, "select edition_id from activation.editions") == [(EDITION,)]


# What a mail would hold if every check of templates had failed.
HOSTILE_MAIL = """<!doctype html><html><head><title>a mail</title>
<meta http-equiv="refresh" content="5;url=javascript:parent.ran('refresh')">
<script>document.title = 'ran ' + document.cookie; parent.document.title = 'ran in the page'</script>
<script src="/rapport/static/pages.js"></script></head>
<body onload="document.title = 'ran onload'">
<img src="x" onerror="document.title = 'ran onerror'; fetch('/rapport/stolen?' + document.cookie)">
<svg onload="parent.document.title = 'ran svg'"></svg>
<iframe srcdoc="<script>parent.parent.document.title = 'ran srcdoc ' + document.cookie</script>"></iframe>
<iframe src="javascript:parent.document.title = 'ran address'"></iframe>
<form action="/rapport/campaigns/*/pause" method="post"><button id="b">x</button></form>
<a id="a" href="javascript:document.title = 'ran link'">a link</a>
<a id="out" target="_top" href="/rapport/elsewhere">away</a><p>hello</p></body></html>"""


def hostile(page: Page) -> list[str]:
    """Have every mail answered with the hostile one, under the headers that the server gives it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        response = route.fetch()
        assert response.ok
        route.fulfill(response=response, body=HOSTILE_MAIL)

    page.context.route("**/preview/frame?**", answer)
    page.context.on("request", lambda request: asked.append(request.url))
    return asked


def test_a_mail_full_of_script_neither_runs_nor_reads_the_cookie(
    pages: Pages, shop: SmallShop, browser: Browser
) -> None:
    with window(browser, pages, "mia") as mine:
        asked = hostile(mine.page)
        page = mine.open("/campaigns/weekly/preview?customer=hostile")
        assert "_token=" in page.evaluate("document.cookie"), "a script could read the cookie"
        frames = [frame for frame in page.frames if "/preview/frame" in frame.url]
        assert len(frames) == 2
        for frame in frames:
            assert frame.get_by_text("hello").is_visible()
            assert frame.locator("title").inner_text() == "a mail"
            frame.locator("#a").click()
            frame.locator("#out").click()
            frame.locator("#b").click()
        page.wait_for_timeout(300)
        assert page.title() == "Preview of weekly · Rapport"

        page.goto(frames[0].url)
        page.locator("#a").click()
        page.locator("#b").click()
        page.wait_for_timeout(300)
        assert page.title() == "a mail"
        with pytest.raises(Exception, match=r"sandboxed|insecure|denied|SecurityError"):
            page.evaluate("document.cookie")
        assert not [url for url in asked if "stolen" in url or "elsewhere" in url]
    assert rows(shop, "select count(*) from activation.pauses") == [(0,)]


def test_a_hostile_name_is_text_in_the_mail_and_around_it(
    pages: Pages, shop: SmallShop, browser: Browser
) -> None:
    with window(browser, pages, "mia") as mine:
        page = mine.open("/campaigns/weekly/preview?customer=hostile")
        assert page.locator("dd.subject").inner_text() == f"News for {HOSTILE_NAME}"
        (frame, _) = [frame for frame in page.frames if "/preview/frame" in frame.url]
        assert HOSTILE_NAME in frame.locator("body").inner_text()
        assert page.title() == "Preview of weekly · Rapport"
        assert mine.complaints == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_marketer_looks_and_approves(pages: Pages, shop: SmallShop, browser: Browser, width: int) -> None:
    with window(browser, pages, "mia", width=width, dark=width == PHONE) as mine:
        page = mine.open("/campaigns")
        assert mine.faults() == []
        page.get_by_role("link", name="Look and decide").click()
        page.wait_for_load_state("networkidle")
        assert page.get_by_role("rowheader", name="Candidates").is_visible()
        assert mine.faults() == []
        page.get_by_label("Comment, kept with the decision").fill("go")
        page.get_by_role("button", name=re.compile("Approve")).click()
        page.wait_for_load_state("networkidle")
        assert page.get_by_text("by mia").is_visible()
        mine.open("/campaigns/weekly?month=2026-06")
        assert mine.faults() == []
        mine.open("/campaigns/weekly/preview")
        assert mine.faults() == []
    assert rows(shop, "select decided_by, comment from activation.approvals") == [("mia", "go")]
