"""Mails as SendGrid's requests: who travels with whom, and what each of them gets."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from delivery.sendgrid_substitution import received
from rapport.delivery.configuration import Sender
from rapport.delivery.mime import Mail
from rapport.delivery.rendering import MailTemplate, compile_mail
from rapport.delivery.transports.sendgrid_request import body, parcels

SENDER = Sender(
    name="Söhne & Co",
    address="hello@shop.example",
    reply_to="care@shop.example",
    postal_address="1 High Street",
    website="https://shop.example",
    unsubscribe_url="https://shop.example/u",
    unsubscribe_address="stop@shop.example",
)
TEMPLATE = """
<mjml><mj-head><mj-preview>{{ preheader }}</mj-preview></mj-head><mj-body><mj-section><mj-column>
<mj-text>Dear {{ customer.first_name }}{% if customer.city %} of {{ customer.city }}{% endif %}</mj-text>
<mj-table><tbody>{% for card in customer.cards %}<tr><td>{{ loop.index }} {{ card.name }}</td>
<td><a href="{{ card.url | url }}">{{ card.price | money }}</a></td></tr>{% endfor %}</tbody></mj-table>
<mj-text>{{ sender.postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""


def person(number: int, **fields: Any) -> dict[str, Any]:
    cards = [
        {"name": f"Pot {number} & {n}", "url": f"https://shop.example/p/{n}?a={number}&b=1", "price": n + 0.5}
        for n in range(number % 3)
    ]
    customer = {"first_name": f"O'Brien & <b> {number}", "city": None, "cards": cards, **fields}
    return {
        "customer": customer,
        "member": {},
        "sender": SENDER.model_dump(),
        "unsubscribe_url": f"https://shop.example/u/token{number}",
    }


def compiled(source: str = TEMPLATE) -> MailTemplate:
    return compile_mail("For {{ customer.first_name }}", "Soon, {{ customer.first_name }}", source)


def mail(number: int, template: MailTemplate, **fields: Any) -> Mail:
    context = person(number, **fields)
    return Mail(
        message_id=UUID(int=number),
        recipient=f"anna{number}@mail.example",
        sender=SENDER,
        rendered=template.shape(context),
        unsubscribe_url=context["unsubscribe_url"],
        due_at=datetime(2026, 6, 29, 9, tzinfo=UTC),
    )


def test_what_recipients_get_is_what_plain_rendering_gives() -> None:
    template = compiled()
    mails = [mail(number, template) for number in range(90)]
    requests = parcels(mails)
    assert sorted(map(len, requests)) == [30, 30, 30]
    for parcel in requests:
        for mine, theirs in zip(parcel, received(body(parcel, 7)), strict=True):
            plain = template.render(person(mine.message_id.int))
            assert (theirs.subject, theirs.html, theirs.text) == (plain.subject, plain.html, plain.text)
            assert theirs.address == mine.recipient
            assert theirs.custom_args == {"rapport_message": str(mine.message_id), "rapport_attempt": "7"}
            assert theirs.headers["List-Unsubscribe"].startswith(f"<{mine.unsubscribe_url}>, <mailto:")
