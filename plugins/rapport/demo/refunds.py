"""What is given back: returned goods and money."""

from dataclasses import dataclass

import numpy as np

from rapport.demo.chance import Numbers, Texts, texts, within
from rapport.demo.orders import CHANNELS, PRODUCT, SHIPPING, Lines, Orders
from rapport.demo.people import NEVER
from rapport.demo.seasons import DAY, HOUR, Calendar, daytime


@dataclass
class Refunds:
    """One position a refund, by time; `line` is -1 where it is for no line, `amount` positive cents."""

    order: Numbers
    line: Numbers
    product: Numbers
    quantity: Numbers
    amount: Numbers
    kind: Texts
    refunded: Numbers


def refunds(
    rng: np.random.Generator, orders: Orders, lines: Lines, calendar: Calendar
) -> tuple[Refunds, Lines]:
    """What is given back: goods sent back, money for bad deliveries and their shipping, cancelled orders.

    Returns:
        The refunds; and, of the orders that came in by phone, market place or store, the returned goods as
        lines of negative quantity, which is how their till books them. Nothing is in both.
    """
    size = len(lines.order)
    kept = orders.cancelled[lines.order] == NEVER
    bad = orders.went_badly[lines.order]
    is_product = lines.kind == PRODUCT
    goods = is_product & kept & (rng.random(size) < np.where(bad, 0.22, 0.045))
    price = is_product & kept & ~goods & bad & (rng.random(size) < 0.12)
    fare = (lines.kind == SHIPPING) & kept & bad & (rng.random(size) < 0.3)
    quantity = 1 + (rng.random(size) * lines.quantity).astype(np.int64).clip(0, lines.quantity - 1)
    amount = np.where(goods, quantity, np.where(price, lines.quantity / 5, 1)) * lines.price
    returned = daytime(orders.delivered[lines.order] + np.where(fare, 2, rng.integers(4, 21, size)) * DAY)
    in_time = returned < calendar.end
    as_line = goods & (orders.channel[lines.order] >= CHANNELS.index("phone"))

    refunded = np.flatnonzero((goods | price | fare) & ~as_line & in_time)
    whole = np.flatnonzero(orders.cancelled < calendar.end - HOUR)
    none = np.full(len(whole), -1)
    kind = np.where(goods, "return", np.where(fare, "shipping", "price")).astype(object)
    columns = (
        np.concatenate([lines.order[refunded], whole]),
        np.concatenate([lines.line[refunded], none]),
        np.concatenate([lines.product[refunded], none]),
        np.concatenate([quantity[refunded], none]),
        np.concatenate([amount[refunded].astype(np.int64), orders.total[whole]]),
        np.concatenate([kind[refunded], texts(["price"] * len(whole))]),
        np.concatenate([returned[refunded], daytime(orders.cancelled[whole] + HOUR)]),
    )
    by_time = np.lexsort((columns[1], columns[0], columns[-1]))
    return (
        Refunds(*(column[by_time] for column in columns)),
        _credits(orders, lines, np.flatnonzero(as_line & in_time), quantity, returned),
    )


def _credits(orders: Orders, lines: Lines, came_back: Numbers, quantity: Numbers, returned: Numbers) -> Lines:
    """A line of negative quantity for each that came back, numbered on from the order's last line."""
    order = lines.order[came_back]
    last_line = np.bincount(lines.order, minlength=len(orders))
    return Lines(
        order=order,
        line=last_line[order] + 1 + within(np.unique(order, return_counts=True)[1]),
        booked=returned[came_back],
        kind=lines.kind[came_back],
        product=lines.product[came_back],
        quantity=-quantity[came_back],
        price=lines.price[came_back],
    )
