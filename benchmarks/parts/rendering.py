"""What a mail costs before it leaves: rendered plainly or taken apart, and made into a request's JSON.

The letter has about 20 KB of HTML, twelve personal fields and a loop of three to six cards. Times are of the
processor, the best of three rounds. `RAPPORT_BENCH_MAILS` says how many mails a round has.
"""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from rapport.delivery.configuration import Sender
from rapport.delivery.mime import Mail
from rapport.delivery.rendering import Rendered, compile_mail
from rapport.delivery.transports.sendgrid_request import body, parcels

MAILS = int(os.environ.get("RAPPORT_BENCH_MAILS", "4000"))
TARGET = 120.0  # microseconds a mail
ROUNDS = 3

SENDER = Sender(
    name="The Shop",
    address="hello@shop.example",
    reply_to="care@shop.example",
    postal_address="1 High Street, 12345 Town",
    website="https://shop.example",
    unsubscribe_url="https://news.shop.example/u",
    unsubscribe_address="stop@shop.example",
)
FIELDS = (
    "first_name", "city", "favourite_category", "tier", "store", "advisor", "size", "gift",
    "points", "order_count", "last_order_at | date", "net_revenue | money",
)  # fmt: skip
CARD = """
<mj-section><mj-column width="30%">
<mj-image src="https://cdn.shop.example/i/{{ card.image }}" alt="{{ card.name }}" width="160px" />
</mj-column><mj-column width="70%">
<mj-text font-size="18px"><a href="{{ card.url | url }}">{{ card.name }}</a></mj-text>
<mj-text>{{ card.price | money('EUR') }}</mj-text>
</mj-column></mj-section>
"""
LETTER = f"""
<mjml><mj-head><mj-preview>{{{{ preheader }}}}</mj-preview></mj-head><mj-body><mj-section><mj-column>
{"".join(f"<mj-text>Yours: {{{{ customer.{field} }}}}</mj-text>" for field in FIELDS)}
</mj-column></mj-section>
{{% for card in member.cards %}}{CARD}{{% endfor %}}
<mj-section><mj-column>
{"".join(f"<mj-text>A few words on what is new in the shop, part {part}.</mj-text>" for part in range(8))}
<mj-text>{{{{ sender.postal_address }}}} <a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""


def context(number: int) -> dict[str, Any]:
    """What one person's letter is rendered with."""
    customer: dict[str, Any] = {field: f"{field.title()} No. {number}" for field in FIELDS[:8]}
    customer |= {
        "points": number,
        "order_count": number % 7,
        "last_order_at": datetime(2026, 1, 1 + number % 28, tzinfo=UTC),
        "net_revenue": Decimal(number) / 7,
    }
    cards = [
        {
            "name": f"Pot No. {7 * number + card} & lid",
            "image": f"pot-{7 * number + card}.jpg",
            "url": f"https://shop.example/p/pot-{7 * number + card}?colour=red&size=2",
            "price": Decimal(number + card) / 3,
        }
        for card in range(3 + number % 4)
    ]
    return {
        "customer": customer,
        "member": {"cards": cards},
        "sender": SENDER.model_dump(),
        "unsubscribe_url": f"https://news.shop.example/u/{number:0150}",
    }


def measures() -> Iterator[dict[str, Any]]:
    """Microseconds a mail: plainly, by shape, and by shape into the bytes of requests."""
    template = compile_mail("For {{ customer.first_name }}", "Soon, {{ customer.city }}", LETTER)
    people = [context(number) for number in range(MAILS)]
    size = len(template.render(people[0]).html)
    template.shape(people[0])

    def mails() -> list[Mail]:
        now = datetime(2026, 6, 29, 9, tzinfo=UTC)
        return [
            Mail(
                UUID(int=number), f"a{number}@mail.example", SENDER, template.shape(person),
                person["unsubscribe_url"], now,
            )
            for number, person in enumerate(people)
        ]  # fmt: skip

    def requests() -> None:
        for parcel in parcels(shaped):
            body(parcel, 1)

    plain = _microseconds(lambda: [template.render(person) for person in people])
    shape = _microseconds(mails)
    shaped = mails()
    request = _microseconds(requests)
    assert not any(isinstance(mail.rendered, Rendered) for mail in shaped)
    yield _measure("rendering.plain_us", plain, None)
    yield _measure("rendering.shape_us", shape, TARGET)
    yield _measure("rendering.request_us", request, None)
    yield _measure("rendering.html_bytes", size, None, "bytes")


def _microseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) / MAILS * 1e6


def _measure(name: str, value: float, target: float | None, unit: str = "microseconds") -> dict[str, Any]:
    return {
        "measure": name,
        "value": round(value, 1),
        "unit": unit,
        "target": target,
        "ok": target is None or value <= target,
    }
