"""Mails to make requests of."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rapport.delivery.configuration import Sender
from rapport.delivery.mime import Mail
from rapport.delivery.rendering import MailTemplate, compile_mail

SENDER = Sender(
    name="Söhne & Co",
    address="hello@shop.example",
    reply_to="care@shop.example",
    postal_address="1 High Street",
    website="https://shop.example",
    unsubscribe_url="https://shop.example/u",
    unsubscribe_address="stop@shop.example",
)
CARDS = """
<table><tbody>{% for card in customer.cards %}<tr><td>{{ loop.index }} {{ card.name }}</td>
<td><a href="{{ card.url | url }}">{{ card.price | money }}</a></td></tr>{% endfor %}</tbody></table>
"""
LETTER = (
    "<p>Dear {{ customer.first_name }}{% if customer.city %} of {{ customer.city }}{% endif %}</p>" + CARDS
)


def page(inner: str) -> str:
    return (
        '<html><body><div style="display:none">{{ preheader }}</div>'
        f'{inner}<p>{{{{ sender.postal_address }}}} <a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a></p>'
        "</body></html>"
    )


def compiled(
    inner: str = LETTER, subject: str = "For {{ customer.first_name }}", preheader: str = "Soon"
) -> MailTemplate:
    return compile_mail(subject, preheader, page(inner))


def context(number: int, **fields: Any) -> dict[str, Any]:
    """What the mail of a person is rendered with. Their number decides how many cards they get, 0 to 2."""
    cards = [
        {"name": f"Pot {number} & {n}", "url": f"https://shop.example/p/{n}?a={number}&b=1", "price": n + 0.5}
        for n in range(number % 3)
    ]
    return {
        "customer": {"first_name": f"Anna {number}", "city": None, "cards": cards, **fields},
        "member": {},
        "sender": SENDER.model_dump(),
        "unsubscribe_url": f"https://shop.example/u/token{number}",
    }


def mail(number: int, template: MailTemplate, recipient: str | None = None, **fields: Any) -> Mail:
    data = context(number, **fields)
    return Mail(
        message_id=UUID(int=number),
        recipient=recipient or f"anna{number}@mail.example",
        sender=SENDER,
        rendered=template.shape(data),
        unsubscribe_url=data["unsubscribe_url"],
        due_at=datetime(2026, 6, 29, 9, tzinfo=UTC),
    )


def mails(count: int, template: MailTemplate | None = None, **fields: Any) -> list[Mail]:
    """Mails of one shell."""
    template = template or compiled()
    return [mail(3 * number, template, **fields) for number in range(count)]
