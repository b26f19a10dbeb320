"""Checklist 24: what Rapport's tables know of an address goes, the counts and the opt-out stay."""

from pathlib import Path

import pytest

from campaigns import small_shop
from campaigns.small_shop import DAY, MONDAY, SmallShop
from rapport import warehouse
from rapport.audiences.erasure import Erased, erase
from rapport.audiences.recipients import RecipientKey, ensure_recipients
from rapport.delivery.outbox import send_due
from rapport.settings import Settings

ADDRESS = "anna@mail.example"


@pytest.fixture
def shop(warehouse_url: str, settings: Settings) -> SmallShop:
    shop = small_shop.build(warehouse_url, settings)
    shop.write("campaigns/weekly.yml", small_shop.WEEKLY)
    for name in ("anna", "bert"):
        shop.add(name)
    return shop


def erased(shop: SmallShop, address: str = ADDRESS) -> Erased:
    key = RecipientKey.from_settings(shop.settings)
    with warehouse.connect(shop.url, autocommit=True) as connection:
        return erase(connection, key, address, MONDAY + DAY, shop.settings.mailbox)


def everywhere(shop: SmallShop) -> str:
    """All that the tables of activation and the mailbox hold, as text."""
    tables = shop.execute("select tablename from pg_tables where schemaname = 'activation'")
    held = [str(shop.execute(f"select * from activation.{table}")) for (table,) in tables]
    mails = [path.read_text() for path in shop.settings.mailbox.rglob("*") if path.is_file()]
    return "\n".join(held + mails)


def test_checklist_24_an_erased_address_is_nowhere_and_its_counts_stay(shop: SmallShop) -> None:
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    shop.execute(
        """
        insert into activation.message_events (message_id, event, occurred_at, detail, user_agent)
        select message_id, event, '2026-06-29', detail, 'Anna''s telephone'
        from
            activation.messages,
            (
                values
                ('bounced', 'anna@mail.example is unknown'), ('clicked', 'https://small.example/?who=anna'),
                ('clicked', 'https://small.example/')
            ) as happened (event, detail)
        where customer_id = 'anna'
        """
    )
    shop.execute(
        "select public_pages.store_webhook(%b)", b'[{"event": "bounce", "email": "anna@mail.example"}]'
    )
    shop.execute("select public_pages.store_webhook(%b)", b'unreadable "Anna@mail.example"')
    shop.execute("select public_pages.store_webhook(%b)", b"unreadable")
    done = erased(shop, " Anna@Mail.example ")
    assert done == Erased(was_known=True, cancelled=0, events=2, bodies=1, mails=1)
    held = everywhere(shop).lower()
    assert ADDRESS not in held
    assert "telephone" not in held
    assert "bert@mail.example" in held
    assert shop.messages() == {"anna": ("accepted", None), "bert": ("accepted", None)}
    assert shop.execute("select event from activation.message_events order by 1") == [
        ("bounced",),
        ("clicked",),
    ]


def test_checklist_24_nobody_who_was_erased_gets_mail_by_a_later_import(shop: SmallShop) -> None:
    shop.plan()
    assert erased(shop).cancelled == 1
    send_due(shop.url, shop.settings, now=MONDAY)
    for monday in (MONDAY + 7 * DAY, MONDAY + 14 * DAY):
        shop.execute("update marts.consents set is_granted = true")
        shop.plan(monday)
        send_due(shop.url, shop.settings, now=monday)
    states = shop.execute("select distinct state from activation.messages where customer_id = 'anna'")
    assert ("accepted",) not in states
    assert ADDRESS not in everywhere(shop)


def test_somebody_who_comes_back_and_confirms_gets_mail_again(shop: SmallShop) -> None:
    key = RecipientKey.from_settings(shop.settings)
    shop.plan()
    erased(shop)
    shop.execute(
        """
        insert into marts.consents (email, channel, topic, is_granted, confirmed_at)
        values (%s, 'sms', 'news', true, '2026-07-02')
        """,
        ADDRESS,
    )
    with warehouse.connect(shop.url) as connection:
        assert ensure_recipients(connection, key) == 0  # they may be called, not written to
    shop.execute("update marts.consents set confirmed_at = '2026-07-02' where email = %s", ADDRESS)
    with warehouse.connect(shop.url) as connection:
        assert ensure_recipients(connection, key) == 1
    assert shop.execute("select email from activation.recipients order by 1") == [
        (ADDRESS,),
        ("bert@mail.example",),
    ]


def test_erasing_again_changes_nothing_more(shop: SmallShop) -> None:
    shop.plan()
    erased(shop)
    held = everywhere(shop)
    assert erased(shop) == Erased(was_known=False, cancelled=0, events=0, bodies=0, mails=0)
    assert everywhere(shop) == held


def test_an_address_that_nobody_knew_is_suppressed_all_the_same(shop: SmallShop) -> None:
    key = RecipientKey.from_settings(shop.settings).key_of("new@mail.example")
    assert not erased(shop, "new@mail.example").was_known
    assert shop.execute("select recipient_key, topic, reason from activation.suppressions") == [
        (key, "all", "erased")
    ]


def test_the_mail_is_found_where_a_reader_has_moved_it(shop: SmallShop) -> None:
    shop.plan()
    send_due(shop.url, shop.settings, now=MONDAY)
    (message_id,) = shop.execute("select message_id from activation.messages where customer_id = 'anna'")[0]
    mail = shop.settings.mailbox / "new" / str(message_id)
    mail.rename(Path(shop.settings.mailbox / "cur" / f"{message_id}:2,S"))
    assert erased(shop).mails == 1
