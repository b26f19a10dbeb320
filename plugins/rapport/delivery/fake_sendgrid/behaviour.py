"""How the recipients of a rehearsal behave: which share bounces, clicks, complains, and when."""

import html
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapport.delivery.fake_sendgrid.events import Happening
from rapport.delivery.fake_sendgrid.received import ReceivedMail

_LINK = re.compile(r"<a\s[^>]*?href=\"(https?://[^\"]+)\"[^>]*>", re.IGNORECASE)
_SCANNER = "Mozilla/5.0 (compatible; LinkScanner/2.1)"


@dataclass(frozen=True)
class Behaviour:
    """Shares of recipients, from 0 to 1, and seconds. Whoever does not bounce and is not blocked gets the
    mail.

    deferred: once, before that. bounced_late: after having been delivered. clicked, machine_clicked: where
    the request tracks clicks; machines follow every link within seconds. opened, machine_opened: where it
    tracks opens. delivered_after, reacted_after: how long it takes on average.
    """

    deferred: float = 0.03
    bounced: float = 0.01
    bounced_late: float = 0.001
    blocked: float = 0.005
    opened: float = 0.3
    machine_opened: float = 0.2
    clicked: float = 0.04
    machine_clicked: float = 0.03
    complained: float = 0.0005
    unsubscribed: float = 0.002
    delivered_after: float = 2.0
    reacted_after: float = 60.0


def links(mail: ReceivedMail) -> list[str]:
    """The links of the HTML part that SendGrid would track, each once."""
    found = {
        html.unescape(link[1]): None
        for link in _LINK.finditer(mail.html or "")
        if "clicktracking=off" not in link[0].lower()
    }
    return list(found)


def happenings(
    mail: ReceivedMail, behaviour: Behaviour, drop_reason: str | None, chance: random.Random
) -> Iterator[Happening]:
    """What happens to a mail, in order of time. `drop_reason` says why its address is not delivered to."""
    if drop_reason is not None:
        yield Happening("dropped", 0.1, {"reason": drop_reason})
        return
    yield Happening("processed", 0.1)
    delivered = 0.2 + chance.expovariate(1 / behaviour.delivered_after)
    if chance.random() < behaviour.deferred:
        yield Happening("deferred", delivered)
        delivered += chance.expovariate(1 / behaviour.delivered_after)
    fate = chance.random()
    if fate < behaviour.bounced:
        yield Happening("bounce", delivered)
    elif fate < behaviour.bounced + behaviour.blocked:
        yield Happening("blocked", delivered)
    else:
        yield Happening("delivered", delivered)
        yield from sorted(_reactions(mail, behaviour, delivered, chance), key=lambda each: each.after)


def _reactions(
    mail: ReceivedMail, behaviour: Behaviour, delivered: float, chance: random.Random
) -> Iterator[Happening]:
    def later() -> float:
        return delivered + 5 + chance.expovariate(1 / behaviour.reacted_after)

    if chance.random() < behaviour.bounced_late:
        yield Happening("bounce", later())
        return
    if mail.tracks_opens and chance.random() < behaviour.machine_opened:
        yield Happening("machine_open", delivered + 1)
    if mail.tracks_opens and chance.random() < behaviour.opened:
        yield Happening("open", later())
    found = links(mail) if mail.tracks_clicks else []
    if found and chance.random() < behaviour.machine_clicked:
        for number, url in enumerate(found):
            offset = {"index": number, "type": "html"}
            machine = {"useragent": _SCANNER, "ip": "198.51.100.9"}
            yield Happening("click", delivered + 1, {"url": url, "url_offset": offset, **machine})
    if found and chance.random() < behaviour.clicked:
        number = chance.randrange(len(found))
        yield Happening(
            "click", later(), {"url": found[number], "url_offset": {"index": number, "type": "html"}}
        )
    if chance.random() < behaviour.complained:
        yield Happening("spamreport", later())
    if chance.random() < behaviour.unsubscribed:
        yield Happening("unsubscribe", later())
