"""The visits to the web shop: devices, sessions, and the few clicks that tell who is there."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rapport.demo.catalogue import Catalogue
from rapport.demo.chance import Flags, Numbers, Texts, pick, pick_each, texts, within
from rapport.demo.orders import CHANNELS, Lines, Orders
from rapport.demo.people import NEVER, SUBSCRIBER, People
from rapport.demo.seasons import DAY, HOUR, Calendar

EVENT_NAMES = (
    "page_view", "log_in", "product_view", "add_to_cart", "checkout_started", "purchase", "newsletter_signup",
)  # fmt: skip
PAGE_VIEW, LOG_IN, PRODUCT_VIEW, ADD_TO_CART, CHECKOUT_STARTED, PURCHASE, NEWSLETTER_SIGNUP = range(7)
IDENTIFYING = (LOG_IN, PURCHASE, NEWSLETTER_SIGNUP)

_ABANDON_WITHIN = 3 * DAY


@dataclass
class Sessions:
    """One position a session; `person` is -1 for strangers, `order` and `product` -1 for none.

    `starts` are seconds of the shop's clock; `ends_with` holds the last steps: 0 none, or the event's number.
    """

    person: Numbers
    device: Numbers
    starts: Numbers
    logs_in: Flags
    views: Numbers
    ends_with: Numbers
    product: Numbers
    order: Numbers
    origin: Numbers

    def __len__(self) -> int:
        return len(self.person)


@dataclass
class Events:
    """One position an event, by time; `session` and `name` (a position in EVENT_NAMES) are numbers."""

    session: Numbers
    name: Numbers
    occurred: Numbers
    is_first: Flags
    product: Numbers


def device_ids(rng: np.random.Generator, size: int) -> Texts:
    """Random-looking names of devices; twelve hexadecimal digits, each once."""
    start = int(rng.integers(0, 2**48))
    step = 0x9E3779B97F4B  # odd, so that the walk through 2**48 visits nothing twice
    return texts([f"d-{(start + number * step) % 2**48:012x}" for number in range(size)])


def sessions(
    rng: np.random.Generator,
    people: People,
    orders: Orders,
    lines: Lines,
    calendar: Calendar,
    catalogue: Catalogue,
) -> Sessions:
    """All sessions up to the calendar's end. Devices are numbered: three a person, then one a stranger."""
    parts = [
        _buying(rng, orders, lines),
        _browsing(rng, people, calendar),
        _signing_up(rng, people, calendar),
        _abandoning(rng, people, orders, calendar),
        _strangers(rng, len(people), calendar),
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    person, product, order = joined["person"], joined["product"], joined["order"]
    missing = np.flatnonzero((product < 0) & (joined["ends_with"] != NEWSLETTER_SIGNUP))
    likes = np.where((person[missing] >= 0)[:, None], people.likes[person[missing]], catalogue.shares)
    chosen = pick_each(rng, likes) * catalogue.products_in_category
    product[missing] = chosen + pick(rng, 1 / np.arange(2, catalogue.products_in_category + 2), len(missing))

    size = len(person)
    own = person * 3 + pick(rng, (0.66, 0.24, 0.10), size)
    device = np.where(person >= 0, own, 3 * len(people) + np.cumsum(person < 0) - 1)
    return Sessions(
        person=person,
        device=device,
        starts=joined["starts"],
        logs_in=joined["logs_in"],
        views=1 + rng.poisson(0.9, size).clip(0, 7),
        ends_with=joined["ends_with"],
        product=product,
        order=order,
        origin=pick(rng, (0.34, 0.28, 0.12, 0.08, 0.10, 0.08), size),
    )


def events(rng: np.random.Generator, sessions: Sessions, orders: Orders, calendar: Calendar) -> Events:
    """What happened in each session: a page, perhaps a log-in, products, then as far as the session gets.

    A session that ends in an order has its purchase at the order's time. Steps are at most two minutes
    apart, so that no session falls in two.
    """
    # How many of add_to_cart, checkout_started and purchase follow the product views.
    depth = np.array([0, 0, 0, 1, 2, 3, 1])[sessions.ends_with]
    counts = 1 + sessions.logs_in + sessions.views + depth
    session = np.repeat(np.arange(len(sessions)), counts)
    step = within(counts)
    after_log_in = step - 1 - sessions.logs_in[session]
    beyond = after_log_in - sessions.views[session]
    name = np.where(step == 0, PAGE_VIEW, np.where(after_log_in < 0, LOG_IN, PRODUCT_VIEW))
    name = np.where((step > 0) & (beyond >= 0), ADD_TO_CART + beyond, name)
    signs_up = sessions.ends_with[session] == NEWSLETTER_SIGNUP
    name = np.where(signs_up & (step > 0), np.where(beyond >= 0, NEWSLETTER_SIGNUP, PAGE_VIEW), name)

    gaps = rng.integers(8, 120, len(session)) * (step > 0)
    elapsed = np.cumsum(gaps)
    first = np.cumsum(counts) - counts
    elapsed -= np.repeat(elapsed[first], counts)
    buys = sessions.order >= 0
    starts = sessions.starts - np.where(buys, elapsed[first + counts - 1], 0)
    occurred = starts[session] + elapsed
    product = np.where(name >= PRODUCT_VIEW, sessions.product[session], -1)
    product = np.where((name == CHECKOUT_STARTED) | (name >= PURCHASE), -1, product)
    kept = np.flatnonzero((occurred < calendar.end) & (occurred >= calendar.start))
    by_time = kept[np.lexsort((step[kept], session[kept], occurred[kept]))]
    return Events(session[by_time], name[by_time], occurred[by_time], (step == 0)[by_time], product[by_time])


def _sessions(person: Numbers, starts: Numbers, **others: Any) -> dict[str, np.ndarray]:
    size = len(person)
    values = {
        "person": person,
        "starts": starts,
        "logs_in": np.zeros(size, dtype=bool),
        "ends_with": np.zeros(size, dtype=np.int64),
        "product": np.full(size, -1),
        "order": np.full(size, -1),
    }
    return values | others


def _buying(rng: np.random.Generator, orders: Orders, lines: Lines) -> dict[str, np.ndarray]:
    online = np.flatnonzero(orders.channel <= CHANNELS.index("app"))
    first_product = lines.product[np.searchsorted(lines.order, online)]
    return _sessions(
        orders.person[online],
        orders.placed[online],
        logs_in=~orders.as_guest[online] & (rng.random(len(online)) < 0.3),
        ends_with=np.full(len(online), PURCHASE),
        product=first_product,
        order=online,
    )


def _browsing(rng: np.random.Generator, people: People, calendar: Calendar) -> dict[str, np.ndarray]:
    """Looking around from three weeks before the first order; some fill a cart and leave it."""
    begin = calendar.busy[calendar.day(people.joined - 21 * DAY).clip(0)]
    finish = calendar.busy[
        calendar.day(np.minimum(people.stopped, calendar.end)).clip(0, calendar.days - 1) + 1
    ]
    visits = rng.poisson(0.7 + (finish - begin) * (people.rate * 0.5 + 1 / 900))
    person = np.repeat(np.arange(len(people)), visits)
    busy = begin[person] + rng.random(len(person)) * (finish - begin)[person]
    ends_with = np.array([0, ADD_TO_CART, CHECKOUT_STARTED])[pick(rng, (0.80, 0.14, 0.06), len(person))]
    return _sessions(
        person,
        calendar.moments(rng, calendar.busy_day(busy)),
        logs_in=(people.number[person] != "") & (rng.random(len(person)) < 0.22),
        ends_with=ends_with,
    )


def _signing_up(rng: np.random.Generator, people: People, calendar: Calendar) -> dict[str, np.ndarray]:
    """Every subscriber, and a fifth of the buyers, sign up for the newsletter when they come in."""
    signs_up = (people.habit == SUBSCRIBER) | (rng.random(len(people)) < 0.2)
    person = np.flatnonzero(signs_up)
    starts = np.maximum(
        people.joined[person] - 2 * HOUR * (people.habit[person] != SUBSCRIBER), calendar.start
    )
    return _sessions(
        person,
        np.minimum(starts, calendar.end - HOUR // 2),
        ends_with=np.full(len(person), NEWSLETTER_SIGNUP),
    )


def _abandoning(
    rng: np.random.Generator, people: People, orders: Orders, calendar: Calendar
) -> dict[str, np.ndarray]:
    """Carts left behind in the last three days, after a log-in, by customers who bought nothing since."""
    last_order = np.zeros(len(people), dtype=np.int64)
    np.maximum.at(last_order, orders.person, orders.placed)
    may = (people.number != "") & (last_order < calendar.end - _ABANDON_WITHIN) & (people.stopped == NEVER)
    candidates = np.flatnonzero(may)
    size = min(len(candidates), 4 + len(people) // 80)
    person = rng.permutation(candidates)[:size]
    earliest = calendar.end - _ABANDON_WITHIN + HOUR
    day = (earliest - calendar.start) // DAY + rng.integers(0, 3, size)
    starts = np.maximum(calendar.moments(rng, day), earliest)
    return _sessions(
        person,
        starts,
        logs_in=np.ones(size, dtype=bool),
        ends_with=np.where(rng.random(size) < 0.5, ADD_TO_CART, CHECKOUT_STARTED),
    )


def _strangers(rng: np.random.Generator, size: int, calendar: Calendar) -> dict[str, np.ndarray]:
    """Visitors who never say who they are; each on a device of their own."""
    day = calendar.busy_day(rng.random(size) * calendar.busy[-1])
    ends_with = np.where(rng.random(size) < 0.05, ADD_TO_CART, 0)
    return _sessions(np.full(size, -1), calendar.moments(rng, day), ends_with=ends_with)
