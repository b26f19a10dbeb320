"""The CRM's file of contacts: business customers and some others, as they were and as they changed."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rapport.demo.chance import texts
from rapport.demo.dirt import Breakages, typed_emails, typed_phones, with_broken_rows
from rapport.demo.people import People
from rapport.demo.seasons import DAY, HOUR, Calendar, daytime, iso
from rapport.demo.truth import FeedCounts, Sightings
from rapport.demo.writing import csv

_BROKEN: Breakages = (("contact", ""), ("changed", "2026-06-31T12:00:00Z"), ("born", "30.02.1980"))
_TITLES = ("Owner", "Purchasing", "Office manager", "Head chef", "Gardener")


def contact_file(
    rng: np.random.Generator, people: People, calendar: Calendar, counts: FeedCounts, sightings: Sightings
) -> Iterator[tuple[str, bytes]]:
    """Each contact as entered; two in five again, with another address or more known of them."""
    entered = np.flatnonzero(people.contact != "")
    entered_at = daytime(people.joined[entered] + HOUR)
    changes = rng.random(len(entered)) < 0.4
    changed_at = daytime(entered_at + rng.integers(20, 300, len(entered)) * DAY)
    has_second = changes & (changed_at < calendar.end)
    is_entered = entered_at < calendar.end
    person = np.concatenate([entered[is_entered], entered[has_second]])
    changed = np.concatenate([entered_at[is_entered], changed_at[has_second]])
    is_second = np.repeat([False, True], [is_entered.sum(), has_second.sum()])
    by_time = np.lexsort((person, changed))
    person, changed, is_second = person[by_time], changed[by_time], is_second[by_time]

    other = people.other_email[person]
    email = np.where(is_second & (other != ""), other, people.email[person])
    business = people.is_business
    has_phone = (rng.random(len(people)) < 0.7) | business
    born_known = ~business & (rng.random(len(people)) < 0.6)
    birthday = (np.datetime64("1950-01-01") + rng.integers(0, 55 * 365, len(people))).astype("datetime64[s]")
    born = texts([f"{day[8:10]}.{day[5:7]}.{day[:4]}" for day in iso(birthday.astype(np.int64))])
    title = texts(_TITLES)[rng.integers(0, len(_TITLES), len(people))]
    sightings.saw("contact", person, people.contact[person])
    sightings.saw("email", person, email)
    sightings.saw("phone", person, np.where(has_phone[person], people.phones[0, person], ""))
    rows = pd.DataFrame(
        {
            "contact": people.contact[person],
            "changed": iso(calendar.to_utc(changed)) + "Z",
            "first_name": people.first_name[person],
            "last_name": people.last_name[person],
            "job": np.where(business, title, "")[person],
            "company": people.company[person],
            "company_number": people.company_id[person],
            "born": np.where(born_known[person] & (is_second | (person % 2 == 0)), born[person], ""),
            "language": people.country_texts("language")[person],
            "email": typed_emails(rng, email),
            "phone": np.where(has_phone[person], typed_phones(rng, people, person), ""),
            "country": people.country_texts("code")[person],
            "town": people.city[person],
            "postcode": people.postal_code[person],
            "time_zone": people.country_texts("time_zone")[person],
        }
    )
    mixed = with_broken_rows(rng, rows, _BROKEN)
    counts.broken, counts.rows, counts.files = len(mixed) - len(rows), len(mixed), 1
    yield "contacts.csv", csv(mixed, separator=";")
