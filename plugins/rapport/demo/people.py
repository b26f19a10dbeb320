"""The people: who they are, how to reach them, how often they buy, what they like and when they stop."""

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rapport.demo.catalogue import Catalogue
from rapport.demo.chance import Flags, Numbers, Texts, pick, texts
from rapport.demo.places import COUNTRIES
from rapport.demo.seasons import DAY, Calendar

NEVER = np.iinfo(np.int64).max
SUBSCRIBER, ONCE, OCCASIONAL, REGULAR, ENTHUSIAST = range(5)
# Of each habit: share of the people, orders per busy day while they buy, days that they stay on average.
_SHARES = (0.06, 0.30, 0.32, 0.22, 0.10)
_RATES = (0.0, 0.0, 1 / 130, 1 / 48, 1 / 17)
_STAYS = (1.0, 20.0, 420.0, 430.0, 520.0)
_BUSINESS = 0.08

_MAIL_DOMAINS = ("post.example", "mail.example", "inbox.example", "briefkasten.example", "courrier.example")
_OTHER_DOMAINS = ("work.example", "home.example", "uni.example")
_COMPANY_WORDS = ("Café", "Hotel", "Garten", "Studio", "Kontor", "Atelier", "Bistro", "Rösterei", "Villa")
_ASCII = str.maketrans(
    {"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue", "ø": "o", "æ": "ae", "ł": "l", "'": "", " ": ""}
)


@dataclass
class People:
    """One position a person. `joined` and `stopped` are seconds of the shop's clock; `stopped` may be NEVER.

    `phones` are the same numbers in E.164 and three ways of writing them at home (shape 4, people).
    `number` is '' for people without an account, `contact` for those whom the CRM does not know.
    """

    country: Numbers
    city: Texts
    postal_code: Texts
    first_name: Texts
    last_name: Texts
    email: Texts
    other_email: Texts
    phones: Texts
    number: Texts
    contact: Texts
    company: Texts
    company_id: Texts
    is_business: Flags
    habit: Numbers
    rate: NDArray[np.float64]
    joined: Numbers
    stopped: Numbers
    likes: NDArray[np.float64]
    basket: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.country)

    @property
    def ids(self) -> Texts:
        return texts([f"P{position + 1:06d}" for position in range(len(self))])

    def country_texts(self, attribute: str) -> Texts:
        """Of each person their country's `code`, `time_zone` or `language`."""
        return texts([getattr(country, attribute) for country in COUNTRIES])[self.country]


def people(rng: np.random.Generator, size: int, calendar: Calendar, catalogue: Catalogue) -> People:
    """`size` people who bought, or at least subscribed, within the calendar."""
    country = pick(rng, [country.share for country in COUNTRIES], size)
    first_name, last_name = _names(rng, country)
    city, postal_code = _homes(rng, country)
    habit = pick(rng, _SHARES, size)
    is_business = (rng.random(size) < _BUSINESS) & (habit != SUBSCRIBER)
    habit = np.where(is_business & (habit == ONCE), OCCASIONAL, habit)
    joined = _joined(rng, size, calendar)
    has_account = (habit != SUBSCRIBER) & (is_business | (rng.random(size) < 0.87))
    in_crm = is_business | (has_account & (rng.random(size) < 0.35))
    company, company_id = _companies(rng, is_business, country, last_name)
    local = _mailbox_names(rng, first_name, last_name)
    email = local + "@" + texts(_MAIL_DOMAINS)[rng.integers(0, len(_MAIL_DOMAINS), size)]
    email = np.where(is_business, local + "@" + _slugs(company) + ".example", email)
    other = local + "@" + texts(_OTHER_DOMAINS)[rng.integers(0, len(_OTHER_DOMAINS), size)]
    rank = np.argsort(np.argsort(joined, kind="stable"), kind="stable")
    return People(
        country=country,
        city=city,
        postal_code=postal_code,
        first_name=first_name,
        last_name=last_name,
        email=email,
        other_email=np.where(has_account & (rng.random(size) < 0.15), other, ""),
        phones=_phones(rng, country),
        number=np.where(has_account, texts([str(100_001 + place) for place in rank]), ""),
        contact=np.where(in_crm, texts([f"K{20_001 + place}" for place in rank]), ""),
        company=company,
        company_id=company_id,
        is_business=is_business,
        habit=habit,
        rate=np.array(_RATES)[habit] * rng.gamma(5.0, 0.2, size),
        joined=joined,
        stopped=_stopped(rng, joined, habit, calendar),
        likes=rng.gamma(0.45, 1.0, (size, len(catalogue.shares))) * catalogue.shares + 1e-4,
        basket=rng.gamma(3.0, 0.35, size) * np.where(is_business, 2.0, 1.0),
    )


def _joined(rng: np.random.Generator, size: int, calendar: Calendar) -> Numbers:
    """When each person comes in: a third knew the shop before, the others come up to the last day."""
    knew = rng.random(size) < 0.33
    evenly = rng.permutation((np.arange(size) + rng.random(size)) / size)
    busy = np.where(knew, evenly * calendar.busy[min(120, calendar.days)], evenly * calendar.busy[-1])
    return calendar.moments(rng, calendar.busy_day(busy))


def _stopped(rng: np.random.Generator, joined: Numbers, habit: Numbers, calendar: Calendar) -> Numbers:
    stay = rng.exponential(1.0, len(joined)) * np.array(_STAYS)[habit]
    stopped = joined + DAY * (3 + stay.astype(np.int64))
    return np.where((stopped < calendar.end) & (habit != SUBSCRIBER), stopped, NEVER)


def _names(rng: np.random.Generator, country: Numbers) -> tuple[Texts, Texts]:
    first, last = np.full(len(country), "", dtype=object), np.full(len(country), "", dtype=object)
    for position, place in enumerate(COUNTRIES):
        here = np.flatnonzero(country == position)
        first[here] = texts(place.first_names)[rng.integers(0, len(place.first_names), len(here))]
        last[here] = texts(place.last_names)[rng.integers(0, len(place.last_names), len(here))]
    return first, last


def _homes(rng: np.random.Generator, country: Numbers) -> tuple[Texts, Texts]:
    city, postal_code = np.full(len(country), "", dtype=object), np.full(len(country), "", dtype=object)
    for position, place in enumerate(COUNTRIES):
        here = np.flatnonzero(country == position)
        chosen = pick(rng, 1 / np.arange(1, len(place.cities) + 1), len(here))
        city[here] = texts([name for name, _ in place.cities])[chosen]
        pattern = texts([post for _, post in place.cities])[chosen]
        postal_code[here] = _digits(pattern, rng.integers(0, 1000, len(here)))
    return city, postal_code


def _phones(rng: np.random.Generator, country: Numbers) -> Texts:
    """Every number once: a walk through the country's numbers with a step that is prime to their count."""
    phones = np.full((4, len(country)), "", dtype=object)
    for position, place in enumerate(COUNTRIES):
        here = np.flatnonzero(country == position)
        room = 10 ** place.mobile.count("#")
        numbers = (rng.integers(0, room) + np.arange(len(here)) * 7_654_321) % room
        national = _digits(texts([place.mobile] * len(here)), numbers)
        code, trunk = place.calling_code, place.trunk
        phones[0, here] = [f"+{code}{number}" for number in national]
        phones[1, here] = [f"{trunk}{number[:3]} {number[3:]}" for number in national]
        phones[2, here] = [f"00{code} {number[:3]} {number[3:6]} {number[6:]}" for number in national]
        phones[3, here] = [f"+{code} ({trunk or number[:1]}){number[not trunk :]}" for number in national]
    return phones


def _digits(patterns: Texts, numbers: Numbers) -> list[str]:
    """Each `#` of a pattern replaced by a digit of its number."""
    filled = []
    for pattern, number in zip(patterns, numbers.tolist(), strict=True):
        count = pattern.count("#")
        figures = iter(f"{number % 10**count:0{count}d}") if count else iter("")
        filled.append("".join(next(figures) if letter == "#" else letter for letter in pattern))
    return filled


def _mailbox_names(rng: np.random.Generator, first_name: Texts, last_name: Texts) -> Texts:
    """`anna.mueller`, `a.mueller`, `anna.mueller.84` …, each once."""
    first, last = _slugs(first_name), _slugs(last_name)
    year = rng.integers(60, 100, len(first))
    style = pick(rng, (0.5, 0.2, 0.3), len(first))
    initial = texts([name[0] for name in first])
    base = np.where(style == 0, first + "." + last, np.where(style == 1, initial + "." + last, ""))
    base = np.where(style == 2, first + "." + last + "." + texts([str(number) for number in year]), base)
    again = pd.Series(base).groupby(base, sort=False).cumcount().to_numpy()
    return base + texts([str(count + 1) if count else "" for count in again])


def _slugs(names: Texts) -> Texts:
    """Lower case ASCII; every distinct name is worked out once."""
    codes, distinct = pd.factorize(names)
    plain = [unicodedata.normalize("NFKD", name.lower().translate(_ASCII)) for name in distinct]
    return texts([name.encode("ascii", "ignore").decode().replace(".", "") for name in plain])[codes]


def _companies(
    rng: np.random.Generator, is_business: Flags, country: Numbers, last_name: Texts
) -> tuple[Texts, Texts]:
    """Companies of one to three people of one country, named after one of them."""
    company = np.full(len(country), "", dtype=object)
    company_id = np.full(len(country), "", dtype=object)
    members = np.flatnonzero(is_business)
    members = members[np.argsort(country[members], kind="stable")]
    begins = rng.random(len(members)) < 0.65
    begins |= np.concatenate([[True], np.diff(country[members]) != 0])[: len(members)]
    group = np.cumsum(begins) - 1
    founders = members[begins]
    words = texts(_COMPANY_WORDS)[rng.integers(0, len(_COMPANY_WORDS), len(founders))]
    forms = texts([place.company for place in COUNTRIES])[country[founders]]
    company[members] = (words + " " + last_name[founders] + " " + forms)[group]
    company_id[members] = texts([f"C{number + 1:05d}" for number in range(len(founders))])[group]
    return company, company_id
