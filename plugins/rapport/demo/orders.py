"""The orders: when each person buys, what, and how well it is delivered."""

from dataclasses import dataclass, fields

import numpy as np

from rapport.demo.catalogue import CONSUMED, FRAGILE, Catalogue
from rapport.demo.chance import Flags, Numbers, Texts, pick, pick_each, texts, within
from rapport.demo.people import NEVER, ONCE, SUBSCRIBER, People
from rapport.demo.seasons import DAY, HOUR, Calendar, daytime, months

CHANNELS = ("web", "app", "phone", "marketplace", "store")
PRODUCT, SHIPPING, DISCOUNT = range(3)


@dataclass
class Orders:
    """One position an order, by time. Times are seconds of the shop's clock; amounts are cents.

    `cancelled` is NEVER for orders that were kept. `as_guest` orders carry no customer number.
    """

    person: Numbers
    placed: Numbers
    delivered: Numbers
    cancelled: Numbers
    channel: Numbers
    as_guest: Flags
    is_nameless: Flags
    went_badly: Flags
    id: Texts
    shipping: Numbers
    discount: Numbers
    total: Numbers

    def __len__(self) -> int:
        return len(self.person)


@dataclass
class Lines:
    """One position a line; `product` is -1 for shipping and discounts, `price` cents.

    Goods that came back are lines of negative quantity, `booked` when they did.
    """

    order: Numbers
    line: Numbers
    booked: Numbers
    kind: Numbers
    product: Numbers
    quantity: Numbers
    price: Numbers

    def __add__(self, others: "Lines") -> "Lines":
        """The lines of both, by when they were booked."""
        pairs = [(getattr(self, f.name), getattr(others, f.name)) for f in fields(self)]
        both = Lines(*(np.concatenate(pair) for pair in pairs))
        by_time = np.lexsort((both.line, both.order, both.booked))
        return Lines(*(getattr(both, f.name)[by_time] for f in fields(both)))


def orders(
    rng: np.random.Generator, people: People, calendar: Calendar, catalogue: Catalogue
) -> tuple[Orders, Lines]:
    """Everybody's orders. People whom a bad delivery drove away have `people.stopped` set to that time."""
    person, placed = _moments(rng, people, calendar)
    is_first = np.concatenate([[True], person[1:] != person[:-1]])
    by_time = np.lexsort((person, placed))
    person, placed, is_first = person[by_time], placed[by_time], is_first[by_time]
    order, product = _products(rng, people, person, placed, calendar, catalogue)
    went_badly = _bad_deliveries(rng, person, placed, order, product, calendar, catalogue)

    late = np.where(went_badly & (rng.random(len(person)) < 0.6), rng.integers(4, 10, len(person)), 0)
    delivered = daytime(placed + (rng.integers(2, 6, len(person)) + late) * DAY)
    gives_up = went_badly & (rng.random(len(person)) < 0.2)
    last_straw = np.full(len(people), NEVER)
    np.minimum.at(last_straw, person[gives_up], delivered[gives_up])
    kept = placed <= last_straw[person]
    people.stopped = np.where(
        last_straw < calendar.end, np.minimum(people.stopped, last_straw), people.stopped
    )

    new_position = np.cumsum(kept) - 1
    order, product = new_position[order[kept[order]]], product[kept[order]]
    person, placed, delivered = person[kept], placed[kept], delivered[kept]
    went_badly, is_first = went_badly[kept], is_first[kept]
    size = len(person)
    channel = pick(rng, (0.68, 0.16, 0.08, 0.08), size)
    is_nameless = ~is_first & (rng.random(size) < 0.01)
    channel = np.where(is_nameless, CHANNELS.index("store"), channel)
    gives_number = (people.number[person] != "") & (is_first | (rng.random(size) < 0.94)) & ~is_nameless
    is_cancelled = (rng.random(size) < 0.012) & ~went_badly
    lines, shipping, discount, total = _lines(
        rng, people, person, placed, order, product, calendar, catalogue
    )
    return (
        Orders(
            person=person,
            placed=placed,
            delivered=delivered,
            cancelled=np.where(is_cancelled, placed + rng.integers(1, 5, size) * HOUR // 2, NEVER),
            channel=channel,
            as_guest=~gives_number,
            is_nameless=is_nameless,
            went_badly=went_badly,
            id=texts([f"R{1_000_001 + number}" for number in range(size)]),
            shipping=shipping,
            discount=discount,
            total=total,
        ),
        lines,
    )


def _moments(rng: np.random.Generator, people: People, calendar: Calendar) -> tuple[Numbers, Numbers]:
    """Everybody's order times, by person and time: the first when they join, then as often as they like.

    Busy days pass faster on the clock that orders are spread over, so that they get more of them.
    """
    first_day = calendar.day(people.joined)
    last_day = calendar.day(np.minimum(people.stopped, calendar.end)).clip(0, calendar.days - 1)
    begin, finish = calendar.busy[first_day], calendar.busy[last_day + 1]
    buyers = people.habit != SUBSCRIBER
    more = rng.poisson(people.rate * (finish - begin)) * (buyers & (people.habit != ONCE))
    person = np.repeat(np.arange(len(people)), more)
    busy = begin[person] + rng.random(len(person)) * (finish - begin)[person]
    placed = calendar.moments(rng, calendar.busy_day(busy))
    inside = (placed > people.joined[person]) & (placed < people.stopped[person])
    person = np.concatenate([np.flatnonzero(buyers), person[inside]])
    placed = np.concatenate([people.joined[buyers], placed[inside]])
    by_person = np.lexsort((placed, person))
    return person[by_person], placed[by_person]


def _products(
    rng: np.random.Generator,
    people: People,
    person: Numbers,
    placed: Numbers,
    calendar: Calendar,
    catalogue: Catalogue,
) -> tuple[Numbers, Numbers]:
    """For each product line its order and its product, by what the person likes and what the month sells."""
    order = np.repeat(np.arange(len(person)), 1 + rng.poisson(people.basket[person]).clip(0, 11))
    month = months(placed)[order] % 12
    category = pick_each(rng, people.likes[person[order]] * catalogue.best_months[month])
    place = pick(rng, 1 / np.arange(2, catalogue.products_in_category + 2), len(order))
    return order, category * catalogue.products_in_category + place


def _bad_deliveries(
    rng: np.random.Generator,
    person: Numbers,
    placed: Numbers,
    order: Numbers,
    product: Numbers,
    calendar: Calendar,
    catalogue: Catalogue,
) -> Flags:
    """Late, broken or wrong: more of them before Christmas and with things that break."""
    fragile = np.zeros(len(person))
    fragile[order[catalogue.is_of(product, FRAGILE)]] = 0.05
    return rng.random(len(person)) < 0.045 + fragile + 0.05 * (months(placed) % 12 == 11)


def _lines(
    rng: np.random.Generator,
    people: People,
    person: Numbers,
    placed: Numbers,
    order: Numbers,
    product: Numbers,
    calendar: Calendar,
    catalogue: Catalogue,
) -> tuple[Lines, Numbers, Numbers, Numbers]:
    """Product lines, then a voucher and shipping where there is one; and what they sum up to, by order."""
    size = len(person)
    several = catalogue.is_of(product, CONSUMED) & (rng.random(len(order)) < 0.5)
    quantity = np.where(several, rng.integers(2, 5, len(order)), 1)
    quantity = np.where(
        people.is_business[person[order]], quantity * rng.integers(1, 7, len(order)), quantity
    )
    price = catalogue.price[product]
    raised = placed[order] >= calendar.start + 365 * DAY
    price = np.where(raised & (price >= 1000), price * 103 // 1000 * 10, price)
    goods = np.bincount(order, quantity * price, size).astype(np.int64)
    discount = np.where((goods > 4000) & (rng.random(size) < 0.07), np.where(goods > 9000, 1000, 500), 0)
    abroad = people.country[person] != 0
    shipping = np.where(goods < 6000, np.where(abroad, 790, 490), 0)

    vouchers, fares = np.flatnonzero(discount), np.flatnonzero(shipping)
    all_orders = np.concatenate([order, vouchers, fares])
    kind = np.repeat([PRODUCT, DISCOUNT, SHIPPING], [len(order), len(vouchers), len(fares)])
    blank = np.full(len(vouchers) + len(fares), -1)
    once = np.ones(len(blank), dtype=np.int64)
    by_order = np.argsort(all_orders, kind="stable")
    lines = Lines(
        order=all_orders[by_order],
        line=within(np.bincount(all_orders, minlength=size)) + 1,
        booked=placed[all_orders[by_order]],
        kind=kind[by_order],
        product=np.concatenate([product, blank])[by_order],
        quantity=np.concatenate([quantity, once])[by_order],
        price=np.concatenate([price, -discount[vouchers], shipping[fares]])[by_order],
    )
    return lines, shipping, discount, goods - discount + shipping
