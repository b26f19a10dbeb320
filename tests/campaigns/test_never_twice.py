"""Whatever happens to runs, segments and people: nobody is planned a welcome twice."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from campaigns.small_shop import DAY, MONDAY, WELCOME, SmallShop

PEOPLE = ("anna", "anne", "bert", "carla")


class History:
    """Random days of a shop; `now` moves on, runs also go back in time."""

    def __init__(self, shop: SmallShop, seed: int) -> None:
        self.shop, self.chance, self.now = shop, random.Random(seed), MONDAY
        self.run = shop.run()
        for name in PEOPLE:
            shop.add(name, f"{name}@mail.example", segments=("new_customers",))
        shop.execute("create table redirects as select customer_id, email from marts.customers")

    def plan(self) -> None:
        self.now += self.chance.choice([timedelta(0), timedelta(hours=5), DAY])
        self.shop.plan(self.now)

    def plan_the_past(self) -> None:
        self.shop.plan(self.now - self.chance.choice([timedelta(hours=1), DAY, 3 * DAY]))

    def rebuild_memberships(self) -> None:
        for name in PEOPLE:
            entered_at = self.now - timedelta(hours=self.chance.randrange(1, 40))
            self.shop.execute("delete from segments.memberships where customer_id = %s", name)
            self.shop.execute(
                """
                insert into segments.memberships
                select segment, customer_id, %s, null, 'test' from segments.members where customer_id = %s
                """,
                entered_at,
                name,
            )

    def merge(self) -> None:
        old, new = self.chance.sample(PEOPLE, 2)
        if self.shop.execute("select 1 from identity.merges where old_customer_id in (%s, %s)", old, new):
            return
        self.shop.execute("delete from segments.members where customer_id = %s", old)
        self.shop.execute("delete from segments.memberships where customer_id = %s", old)
        self.shop.execute("delete from identity.merges where customer_id = %s", old)
        self.shop.merge(old, new, self.run)

    def unmerge(self) -> None:
        for (name,) in self.shop.execute("delete from identity.merges returning old_customer_id"):
            self.shop.execute(
                "insert into marts.customers (customer_id, email) select customer_id, email from redirects"
                " where customer_id = %s on conflict do nothing",
                name,
            )
            self.shop.execute(
                "insert into segments.members values ('new_customers', %s, 'x') on conflict do nothing", name
            )
        self.rebuild_memberships()

    def move_an_address(self) -> None:
        one, other = self.chance.sample(PEOPLE, 2)
        self.shop.execute(
            "update marts.customers set email = %s where customer_id = %s", f"{one}@mail.example", other
        )

    def send(self) -> None:
        self.shop.execute(
            """
            update activation.messages set state = 'accepted', accepted_at = due_at
            where state = 'planned' and message_id = any(
                select message_id from activation.messages where state = 'planned' order by message_id limit 2
            )
            """
        )

    def hold(self) -> None:
        self.shop.execute("update activation.editions set state = 'held' where state = 'approved'")


def live(shop: SmallShop) -> list[tuple[str, str, datetime]]:
    return shop.execute(
        "select recipient_key, edition_id, due_at from activation.messages"
        " where state in ('planned', 'accepted')"
    )


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 20))])
def test_no_address_is_planned_a_welcome_twice(shop: SmallShop, seed: int) -> None:
    shop.write("campaigns/weekly.yml", WELCOME + "expires_after: 4d\n")
    shop.write("delivery.yml", "caps: {marketing: {messages: 99, per: 7d}}")
    history = History(shop, seed)
    history.plan()
    steps = [
        history.plan, history.plan_the_past, history.rebuild_memberships, history.merge, history.unmerge,
        history.move_an_address, history.send, history.hold,
    ]  # fmt: skip
    for _ in range(16):
        history.chance.choice(steps)()
        history.plan()
        times = Counter(key for key, _, _ in live(shop))
        assert max(times.values(), default=0) <= 1, live(shop)
    assert live(shop)


def test_unmerged_people_keep_what_they_got_and_the_other_gets_their_own(shop: SmallShop) -> None:
    shop.write("campaigns/weekly.yml", WELCOME)
    shop.add("anna", segments=("new_customers",))
    shop.add("anne", segments=())
    run = shop.run()
    shop.merge("anne", "anna", run)
    shop.plan(run=run)
    shop.execute("update activation.messages set state = 'accepted', accepted_at = due_at")
    shop.execute("delete from identity.merges")
    shop.add("anne2", "anne@mail.example", segments=("new_customers",), entered_at=MONDAY + DAY)
    shop.execute("update segments.memberships set entered_at = %s", MONDAY + DAY)
    shop.plan(MONDAY + DAY)
    assert shop.messages() == {"anna": ("skipped", "re_entry"), "anne2": ("planned", None)}
